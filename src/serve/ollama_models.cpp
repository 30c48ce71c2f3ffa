// Ollama's calls that change what is offered: pull, create, copy, delete, blobs. All of it stays in
// the folder of --models, and nothing is fetched: the machine is the border.
#include "serve/dialects.h"
#include "serve/model_folder.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

void refuse_with(Reply& reply, int status, std::string message) {
  refuse(reply, {.status = status, .message = std::move(message)}, ollama_refusal);
}

// Progress in lines, or its last line alone.
void tell(Reply& reply, bool stream, std::initializer_list<const char*> statuses) {
  if (!stream)
    return reply.send(200, "application/json", dump({{"status", *(statuses.end() - 1)}}));
  reply.begin(200, "application/x-ndjson", "");
  for (const char* status : statuses) reply.write(dump({{"status", status}}) + "\n");
  reply.finish();
}

bool folder_there(App& app, Reply& reply) {
  if (app.folder.any()) return true;
  refuse_with(reply, 400,
              "the server was started without --models: there is no folder whose models could "
              "change");
  return false;
}

// The fields of a request, or nothing, and the reply says why.
template <class Read>
void with_body(const HttpRequest& request, Reply& reply, Read read) {
  const auto body = parse_object(request.body);
  if (const auto* problem = std::get_if<Problem>(&body))
    return refuse(reply, *problem, ollama_refusal);
  Fields f(std::get<Json>(body));
  read(f);
}

std::string name_in(Fields& f) {
  auto name = f.text("model");
  if (!name) name = f.text("name");
  if (!name) f.refuse("model", "model is required");
  return name.value_or("");
}

const ShelfItem* find(App& app, const std::string& name, Reply& reply) {
  const ShelfItem* item = app.shelf.find(name);
  if (!item) refuse_with(reply, 404, fmt::format("model '{}' not found", name));
  return item;
}

// What was done is offered at once.
bool done(App& app, Reply& reply, const Result<void>& result) {
  if (!result) {
    refuse_with(reply, 400, result.error().message);
    return false;
  }
  if (const auto refreshed = app.shelf.refresh(); !refreshed)
    app.metrics.failed(refreshed.error().message);
  return true;
}

}  // namespace

void ollama_pull(App& app, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  with_body(request, *reply, [&](Fields& f) {
    const std::string name = name_in(f);
    const bool stream = f.boolean("stream").value_or(true);
    if (f.problem()) return refuse(*reply, *f.problem(), ollama_refusal);
    if (app.shelf.find(name)) return tell(*reply, stream, {"success"});
    refuse_with(
        *reply, 404,
        fmt::format("model '{}' is not here, and this server opens no connection to fetch it: "
                    "put its .gguf file into the folder of --models",
                    name));
  });
}

void ollama_create(App& app, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  if (!folder_there(app, *reply)) return;
  with_body(request, *reply, [&](Fields& f) {
    const auto name = model_name(name_in(f));
    const bool stream = f.boolean("stream").value_or(true);
    if (!name) f.refuse("model", name.error().message);
    for (const char* unknown : {"adapters", "messages", "quantize", "template", "modelfile"})
      if (const Json* value = f.find(unknown); value && !value->empty() && *value != "")
        f.refuse(unknown,
                 fmt::format("{}: only from, files, system and parameters are taken", unknown));
    const Json* files = f.object("files");
    const auto from = f.text("from");
    const bool settled = f.has("system") || f.has("parameters");
    if (!files == !from) f.refuse("from", "from, the name of a model, or files is wanted");
    if (files && (files->size() != 1 || settled))
      f.refuse("files", "files: one .gguf file and nothing beside it is taken");
    if (f.problem()) return refuse(*reply, *f.problem(), ollama_refusal);
    if (files) {
      const Json& given = files->begin().value();
      const auto digest = blob_digest(given.is_string() ? given.get<std::string>() : "");
      if (!digest) return refuse_with(*reply, 400, digest.error().message);
      if (done(app, *reply, app.folder.make_from_blob(*name, *digest)))
        tell(*reply, stream, {"verifying model", "writing manifest", "success"});
      return;
    }
    Json asked = {{"from", *from}};
    if (const auto system = f.text("system")) asked["system"] = *system;
    if (const Json* parameters = f.object("parameters")) asked["parameters"] = *parameters;
    if (f.problem()) return refuse(*reply, *f.problem(), ollama_refusal);
    auto made = read_made_from(asked);
    if (!made) return refuse_with(*reply, 400, made.error().message);
    const ShelfItem* item = find(app, made->from, *reply);
    if (!item) return;
    made->from = item->name;
    if (item->made) {  // settings lie over those it is made from
      if (made->system.empty()) made->system = item->made->system;
      Json parameters =
          item->made->parameters.is_object() ? item->made->parameters : Json::object();
      parameters.update(made->parameters.is_object() ? made->parameters : Json::object());
      made->parameters = std::move(parameters);
      made->from = item->made->from;
    }
    if (made->from == *name)
      return refuse_with(*reply, 400, "from: a model cannot be made from itself; use another name");
    if (done(app, *reply, app.folder.make(*name, *made)))
      tell(*reply, stream, {"using existing layer", "writing manifest", "success"});
  });
}

void ollama_copy(App& app, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  if (!folder_there(app, *reply)) return;
  with_body(request, *reply, [&](Fields& f) {
    const auto source = f.text("source").value_or("");
    const auto name = model_name(f.text("destination").value_or(""));
    if (!name) f.refuse("destination", name.error().message);
    if (f.problem()) return refuse(*reply, *f.problem(), ollama_refusal);
    const ShelfItem* item = find(app, source, *reply);
    if (!item) return;
    if (item->name == *name) return reply->send(200, "application/json", "{}");
    if (done(app, *reply, app.folder.copy(*item, *name)))
      reply->send(200, "application/json", "{}");
  });
}

void ollama_delete(App& app, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  if (!folder_there(app, *reply)) return;
  with_body(request, *reply, [&](Fields& f) {
    const std::string name = name_in(f);
    if (f.problem()) return refuse(*reply, *f.problem(), ollama_refusal);
    const ShelfItem* item = find(app, name, *reply);
    if (!item) return;
    for (const ShelfItem* other : app.shelf.items())
      if (other->made && other->made->from == item->name)
        return refuse_with(*reply, 400,
                           fmt::format("'{}' is made from it: delete that first", other->name));
    if (done(app, *reply, app.folder.remove(*item))) reply->send(200, "application/json", "{}");
  });
}

void ollama_blob(App& app, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  if (!folder_there(app, *reply)) return;
  const auto digest = blob_digest(request.path.substr(request.path.rfind('/') + 1));
  if (!digest) return refuse_with(*reply, 400, digest.error().message);
  if (request.method == "HEAD")
    return reply->send(app.folder.has_blob(*digest) ? 200 : 404, "application/json", "");
  if (const auto added = app.folder.add_blob(*digest, request.body); !added)
    return refuse_with(*reply, 400, added.error().message);
  reply->send(201, "application/json", "");
}

}  // namespace r1
