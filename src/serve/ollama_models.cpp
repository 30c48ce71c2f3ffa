// Ollama's calls about models: what there is, in tags, ps and show, and what changes it, pull,
// create, copy, delete and blobs. All of it stays in the folder of --models, and nothing is
// fetched: the machine is the border.
#include "base/fnv.h"
#include "format/summary.h"
#include "format/weight_file.h"
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

// What a file says of itself; json is null where it cannot be read.
struct Details {
  Json json;
  Summary summary;
};

Details details(const ShelfItem& item) {
  const auto file = WeightFile::open(item.path);
  if (!file) return {};
  const auto s = summarize(*file);
  if (!s) return {};
  const double total = s->parameters ? static_cast<double>(s->parameters->total) : 0;
  return {.json = {{"parent_model", ""},
                   {"format", file->container() == Container::kGguf ? "gguf" : "safetensors"},
                   {"family", s->architecture},
                   {"families", Json::array({s->architecture})},
                   {"parameter_size", total >= 1e9 ? fmt::format("{:.1f}B", total / 1e9)
                                                   : fmt::format("{:.1f}M", total / 1e6)},
                   {"quantization_level", s->quantization}},
          .summary = *s};
}

// Ollama's digest is the hash of a manifest; ours stands for name, size and time of the file.
std::string digest(const ShelfItem& item) {
  std::string text;
  uint64_t hash = fnv1a64(fmt::format("{}:{}:{}", item.name, item.bytes, item.modified));
  for (int i = 0; i < 4; ++i) {
    text += fmt::format("{:016x}", hash);
    hash = (hash ^ (hash >> 31)) * 0x9E3779B97F4A7C15;
  }
  return text;
}

Json tag(const ShelfItem& item, const ShelfItem* weights) {
  return {{"name", item.name},
          {"model", item.name},
          {"modified_at", rfc3339(item.modified)},
          {"size", weights ? weights->bytes : 0},
          {"digest", digest(item)},
          {"details", weights ? details(*weights).json : Json::object()}};
}

}  // namespace

void ollama_tags(App& app, const HttpRequest&, std::shared_ptr<Reply> reply) {
  Json models = Json::array();
  for (const ShelfItem* item : app.shelf.items())
    models.push_back(tag(*item, app.shelf.weights(*item)));
  reply->send(200, "application/json", dump({{"models", std::move(models)}}));
}

void ollama_ps(App& app, const HttpRequest&, std::shared_ptr<Reply> reply) {
  Json models = Json::array();
  for (const auto& loaded : app.shelf.loaded()) {
    Json json = tag(*loaded.item, loaded.item);
    json["size_vram"] = 0;
    const double until = loaded.expires_in < 0 ? 100 * 365 * 86400.0 : loaded.expires_in;
    json["expires_at"] = rfc3339(unix_seconds() + static_cast<int64_t>(until));
    json["context_length"] = loaded.model->context();
    models.push_back(std::move(json));
  }
  reply->send(200, "application/json", dump({{"models", std::move(models)}}));
}

void ollama_show(App& app, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  with_body(request, *reply, [&](Fields& f) {
    const std::string name = name_in(f);
    if (f.problem()) return refuse(*reply, *f.problem(), ollama_refusal);
    const ShelfItem* item = find(app, name, *reply);
    if (!item) return;
    const ShelfItem* weights = app.shelf.weights(*item);
    if (!weights) return refuse_with(*reply, 404, "what it is made from is gone");
    const auto [json, s] = details(*weights);
    Json capabilities = Json::array();
    if (!json.is_null()) capabilities.push_back("completion");
    if (s.thinking) capabilities.push_back("thinking");
    if (s.chat_template && s.chat_template->find("tools") != std::string::npos &&
        ToolFormat::of(*s.chat_template))
      capabilities.push_back("tools");
    Json info = {{"general.architecture", s.architecture}};
    if (s.context_length) info[s.architecture + ".context_length"] = *s.context_length;
    if (s.dim) info[s.architecture + ".embedding_length"] = *s.dim;
    if (s.layers) info[s.architecture + ".block_count"] = *s.layers;
    if (s.parameters) info["general.parameter_count"] = s.parameters->total;
    std::string parameters;
    const Json made = item->made ? item->made->parameters : Json();
    for (const auto& [key, value] : made.items())
      parameters += fmt::format("{} {}\n", key, dump(value));
    reply->send(200, "application/json",
                dump({{"modelfile", ""},
                      {"parameters", parameters},
                      {"system", item->made ? item->made->system : ""},
                      {"template", s.chat_template.value_or("")},
                      {"license", s.licence},
                      {"details", json},
                      {"model_info", std::move(info)},
                      {"capabilities", std::move(capabilities)},
                      {"modified_at", rfc3339(item->modified)}}));
  });
}

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
