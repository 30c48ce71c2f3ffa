#include "train/metrics.h"

#include <array>
#include <bit>
#include <cmath>
#include <nlohmann/json.hpp>

namespace r1 {
namespace {

template <class T>
void put_raw(std::string& out, T value) {
  static_assert(std::endian::native == std::endian::little);
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// Protocol buffers: a key is field << 3 | wire type (0 varint, 1 64 bits, 2 length, 5 32 bits).
void put_varint(std::string& out, uint64_t value) {
  for (; value >= 128; value >>= 7) out.push_back(static_cast<char>(value | 128));
  out.push_back(static_cast<char>(value));
}
void put_bytes(std::string& out, int field, std::string_view bytes) {
  put_varint(out, static_cast<uint64_t>(field << 3 | 2));
  put_varint(out, bytes.size());
  out += bytes;
}

// TFRecord: length, its checksum, the bytes, their checksum.
std::string record(const std::string& event) {
  std::string out;
  put_raw(out, uint64_t{event.size()});
  put_raw(out, masked_crc32c(out));
  out += event;
  put_raw(out, masked_crc32c(event));
  return out;
}

std::string event_at(double wall_time) {
  std::string event;
  event.push_back(1 << 3 | 1);  // double wall_time = 1
  put_raw(event, wall_time);
  return event;
}

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
    table[i] = crc;
  }
  return table;
}
constexpr auto kCrcTable = make_crc_table();

}  // namespace

std::string to_json_line(const Metrics& metrics) {
  nlohmann::ordered_json line = {{"step", metrics.step}, {"time", metrics.wall_time}};
  for (const auto& [name, value] : metrics.values) {
    if (std::isfinite(value)) {
      line[name] = value;
    } else {
      line[name] = nullptr;
    }
  }
  return line.dump() + "\n";
}

std::string tensorboard_head(double wall_time) {
  std::string event = event_at(wall_time);
  put_bytes(event, 3, "brain.Event:2");  // string file_version = 3
  return record(event);
}

std::string tensorboard_record(const Metrics& metrics) {
  std::string summary;
  for (const auto& [name, value] : metrics.values) {
    std::string scalar;
    put_bytes(scalar, 1, name);    // string tag = 1
    scalar.push_back(2 << 3 | 5);  // float simple_value = 2
    put_raw(scalar, static_cast<float>(value));
    put_bytes(summary, 1, scalar);  // repeated Value value = 1
  }
  std::string event = event_at(metrics.wall_time);
  event.push_back(2 << 3 | 0);  // int64 step = 2
  put_varint(event, static_cast<uint64_t>(metrics.step));
  put_bytes(event, 5, summary);  // Summary summary = 5
  return record(event);
}

uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = ~0u;
  for (const char c : bytes) crc = crc >> 8 ^ kCrcTable[(crc ^ static_cast<uint8_t>(c)) & 255];
  return ~crc;
}

uint32_t masked_crc32c(std::string_view bytes) {
  const uint32_t crc = crc32c(bytes);
  return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

}  // namespace r1
