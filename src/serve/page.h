// The page that people look at: web/dist/index.html, compressed, within the program.
#pragma once

#include "serve/dialects.h"

namespace r1 {

// GET /: the page for browsers. Others hear what Ollama's clients look for.
void page(App&, const HttpRequest& request, std::shared_ptr<Reply> reply);

}  // namespace r1
