#include "serve/page.h"

// R1_PAGE is the file that the build made with gzip.
asm(R"(
  .pushsection .rodata
  .global r1_page_begin, r1_page_end
r1_page_begin:
  .incbin ")" R1_PAGE R"("
r1_page_end:
  .popsection
)");
extern "C" const char r1_page_begin[], r1_page_end[];

namespace r1 {

void page(App&, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  const auto accepts = [&](std::string_view header, std::string_view what) {
    return request.header(header).find(what) != std::string_view::npos;
  };
  if (!accepts("accept", "text/html") || !accepts("accept-encoding", "gzip")) {
    return reply->send(200, "text/plain; charset=utf-8", "Ollama is running",
                       {{"Vary", "Accept, Accept-Encoding"}});
  }
  // What it may load and run it says itself, by the hashes of its own script and style
  // (web/single_file.ts); only who may frame it must stand in a header.
  reply->send(200, "text/html; charset=utf-8",
              {r1_page_begin, static_cast<size_t>(r1_page_end - r1_page_begin)},
              {{"Content-Encoding", "gzip"},
               {"Vary", "Accept, Accept-Encoding"},
               {"Cache-Control", "no-cache"},
               {"Content-Security-Policy", "frame-ancestors 'none'"},
               {"Cross-Origin-Opener-Policy", "same-origin"},
               {"Cross-Origin-Resource-Policy", "same-origin"},
               {"Referrer-Policy", "no-referrer"}});
}

}  // namespace r1
