#include "text/stream_decoder.h"

#include <gtest/gtest.h>

#include "text/unicode.h"

namespace r1 {
namespace {

TEST(StreamDecoder, HoldsWhatIsIncomplete) {
  StreamDecoder decoder;
  EXPECT_EQ(decoder.feed("a\xE4\xBD"), "a");
  EXPECT_EQ(decoder.feed("\xA0!"), "你!");
  EXPECT_EQ(decoder.feed("\xF0\x9F"), "");
  EXPECT_EQ(decoder.finish(), "\uFFFD");
  EXPECT_EQ(decoder.finish(), "");
}

// However the bytes are cut, the text is that of the whole; ill-formed parts as Python's
// errors="replace" has them.
TEST(StreamDecoder, CutsChangeNothing) {
  const std::string bytes = "é\xC3(\xE2\x82\xF0\x9F\x98\x80\xED\xA0\x80\xC0\xAF\xF5x\xF0\x90\x80";
  const std::string whole = "é\uFFFD(\uFFFD😀\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDx\uFFFD";
  EXPECT_EQ(replace_invalid(bytes), whole);
  for (size_t a = 0; a <= bytes.size(); ++a) {
    for (size_t b = a; b <= bytes.size(); ++b) {
      StreamDecoder decoder;
      std::string text = decoder.feed(bytes.substr(0, a));
      text += decoder.feed(bytes.substr(a, b - a));
      text += decoder.feed(bytes.substr(b));
      text += decoder.finish();
      EXPECT_EQ(text, whole) << a << " " << b;
    }
  }
}

}  // namespace
}  // namespace r1
