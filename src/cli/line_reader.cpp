#include "cli/line_reader.h"

#include <histedit.h>
#include <langinfo.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdio>
#include <cstring>

#include "cli/interrupt.h"
#include "cli/terminal.h"

namespace r1 {
namespace {

constexpr size_t kRemembered = 1000;
constexpr std::string_view kPasteEnd = "\x1b[201~";

// Inside the editor, which knows single lines only, a pasted newline or tab is its visible picture.
constexpr wchar_t kNewlinePicture = L'\u2424', kTabPicture = L'\u2409';
constexpr std::string_view kNewlineBytes = "\u2424", kTabBytes = "\u2409";

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size())
    text.replace(at, from.size(), to);
}

class EditLineReader final : public LineReader {
 public:
  EditLineReader(std::string history_file, Completer completer)
      : history_file_(std::move(history_file)), completer_(std::move(completer)) {
    // libedit needs a UTF-8 character type; a bare container has none set.
    if (!std::setlocale(LC_CTYPE, "") || std::strcmp(::nl_langinfo(CODESET), "UTF-8") != 0)
      std::setlocale(LC_CTYPE, "C.UTF-8");
    history_ = ::history_init();
    HistEvent event;
    ::history(history_, &event, H_SETSIZE, static_cast<int>(kRemembered));
    ::history(history_, &event, H_SETUNIQUE, 1);
    edit_ = ::el_init("r1", stdin, stdout, stderr);
    ::el_set(edit_, EL_CLIENTDATA, this);
    ::el_set(edit_, EL_PROMPT, &EditLineReader::prompt);
    ::el_set(edit_, EL_EDITOR, "emacs");
    ::el_set(edit_, EL_SIGNAL, 1);
    ::el_set(edit_, EL_HIST, ::history, history_);
    // While editing, Ctrl-C is a key like any other: as a signal it would be lost between two
    // reads.
    ::el_set(edit_, EL_SETTY, "-d", "-isig", nullptr);
    ::el_set(edit_, EL_ADDFN, "r1-suspend", "stop the program", &EditLineReader::suspend);
    ::el_set(edit_, EL_ADDFN, "r1-interrupt", "give up the line", &EditLineReader::interrupt);
    ::el_set(edit_, EL_ADDFN, "r1-paste", "take bracketed text", &EditLineReader::paste);
    ::el_set(edit_, EL_ADDFN, "r1-complete", "complete", &EditLineReader::complete);
    constexpr const char* kKeys[][2] = {{"^C", "r1-interrupt"},
                                        {"^Z", "r1-suspend"},
                                        {"\\e[200~", "r1-paste"},
                                        {"^I", "r1-complete"},
                                        {"^R", "em-inc-search-prev"},
                                        {"^W", "ed-delete-prev-word"},
                                        {"\\e[1~", "ed-move-to-beg"},
                                        {"\\e[4~", "ed-move-to-end"},
                                        {"\\e[H", "ed-move-to-beg"},
                                        {"\\e[F", "ed-move-to-end"},
                                        {"\\e[3~", "ed-delete-next-char"},
                                        {"\\e[1;5C", "em-next-word"},
                                        {"\\e[1;5D", "ed-prev-word"}};
    for (const auto& [key, function] : kKeys) ::el_set(edit_, EL_BIND, key, function, nullptr);
    ::el_source(edit_, nullptr);  // ~/.editrc
    if (history_file_.empty()) return;
    for (const std::string& entry : load_history(history_file_, kRemembered)) enter(entry);
  }

  ~EditLineReader() override {
    ::el_end(edit_);
    ::history_end(history_);
  }

  Line read(const std::string& prompt) override {
    prompt_ = prompt;
    given_up_ = false;
    clear_interrupt();
    const bool brackets = terminal(STDOUT_FILENO).styled;
    if (brackets) show("\x1b[?2004h");
    int count = 0;
    const char* line = ::el_gets(edit_, &count);
    if (brackets) show("\x1b[?2004l");
    if (!line || count <= 0) {
      show("\n");
      return {given_up_ || interrupted() ? End::kInterrupt : End::kEof, ""};
    }
    std::string text(line, static_cast<size_t>(count));
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    replace_all(text, kNewlineBytes, "\n");
    replace_all(text, kTabBytes, "\t");
    return {End::kLine, std::move(text)};
  }

  void remember(std::string_view entry) override {
    enter(std::string(entry));
    if (!history_file_.empty() && !append_history(history_file_, entry)) history_file_.clear();
  }

 private:
  static void show(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }

  static EditLineReader& self(EditLine* edit) {
    EditLineReader* reader = nullptr;
    ::el_get(edit, EL_CLIENTDATA, &reader);
    return *reader;
  }

  static char* prompt(EditLine* edit) { return self(edit).prompt_.data(); }

  void enter(std::string entry) {
    replace_all(entry, "\n", kNewlineBytes);
    replace_all(entry, "\t", kTabBytes);
    HistEvent event;
    ::history(history_, &event, H_ENTER, entry.c_str());
  }

  static unsigned char interrupt(EditLine* edit, int) {
    self(edit).given_up_ = true;
    return CC_EOF;
  }

  static unsigned char suspend(EditLine*, int) {
    ::raise(SIGTSTP);  // libedit gives the terminal back and takes it again
    return CC_REFRESH;
  }

  static unsigned char paste(EditLine* edit, int) {
    std::wstring text;
    wchar_t c;
    const std::wstring end(kPasteEnd.begin(), kPasteEnd.end());
    while (::el_wgetc(edit, &c) == 1) {
      text += c;
      if (text.size() >= end.size() &&
          text.compare(text.size() - end.size(), end.size(), end) == 0) {
        text.resize(text.size() - end.size());
        break;
      }
    }
    std::wstring shown;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == L'\r' && i + 1 < text.size() && text[i + 1] == L'\n') continue;
      if (text[i] == L'\r' || text[i] == L'\n') {
        shown += kNewlinePicture;
      } else if (text[i] == L'\t') {
        shown += kTabPicture;
      } else if (text[i] >= L' ' && text[i] != L'\x7f') {
        shown += text[i];
      }
    }
    if (!shown.empty()) ::el_winsertstr(edit, shown.c_str());
    return CC_REFRESH;
  }

  // One continuation is taken; of several, what they share, or else they are listed.
  static unsigned char complete(EditLine* edit, int) {
    const LineInfo* line = ::el_line(edit);
    const std::string_view before(line->buffer, static_cast<size_t>(line->cursor - line->buffer));
    const std::vector<std::string> choices = self(edit).completer_(before);
    if (choices.empty()) return CC_ERROR;
    size_t shared = choices[0].size();
    for (const std::string& choice : choices)
      shared = static_cast<size_t>(
          std::mismatch(choices[0].begin(),
                        choices[0].begin() + static_cast<std::ptrdiff_t>(shared), choice.begin(),
                        choice.end())
              .first -
          choices[0].begin());
    if (shared > before.size()) {
      ::el_insertstr(edit, choices[0].substr(before.size(), shared - before.size()).c_str());
      return CC_REFRESH;
    }
    if (choices.size() == 1) return CC_ERROR;
    std::string list;
    for (const std::string& choice : choices) list += choice + "  ";
    show('\n' + printable(list) + '\n');
    return CC_REDISPLAY;
  }

  std::string history_file_, prompt_;
  Completer completer_;
  bool given_up_ = false;  // Ctrl-C ended the line
  History* history_ = nullptr;
  EditLine* edit_ = nullptr;
};

}  // namespace

std::unique_ptr<LineReader> make_line_reader(std::string history_file, Completer completer) {
  return std::make_unique<EditLineReader>(std::move(history_file), std::move(completer));
}

}  // namespace r1
