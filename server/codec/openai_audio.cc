#include "server/codec/openai_audio.h"

#include "server/codec/ascii_text.h"
#include "server/codec/json_text.h"

namespace sluice {
namespace {

struct Row {
  std::string_view word;  // a format, or how its bytes begin
  std::string_view mime_type;
};

constexpr Row kFormats[] = {
    {"mp3", "audio/mpeg"},
    // OpenAI's is Opus in Ogg.
    {"opus", "audio/ogg"},
    // Samples alone, 16 bits each: OpenAI's are little-endian, mono, 24 kHz.
    {"pcm16", "audio/pcm"},
    {"pcm", "audio/pcm"},
};

constexpr Row kBeginnings[] = {
    {"RIFF", "audio/wav"}, {"ID3", "audio/mpeg"}, {"\xFF\xFB", "audio/mpeg"}, {"\xFF\xF3", "audio/mpeg"},
    {"fLaC", "audio/flac"}, {"OggS", "audio/ogg"},
};

// Of a sound whose format nobody told.
std::string_view TypeOfBytes(std::string_view data) {
  for (const Row& row : kBeginnings) {
    if (data.starts_with(row.word)) return row.mime_type;
  }
  return "application/octet-stream";
}

}  // namespace

std::string AudioMimeType(std::string_view format) {
  if (format.empty()) return {};
  for (const Row& row : kFormats) {
    if (EqualsIgnoringCase(format, row.word)) return std::string(row.mime_type);
  }
  return "audio/" + AsciiLower(format);
}

bool OpenAiAudio::Add(const OpenAiAudioDelta& delta, Piece& piece) {
  // Some servers make up a new one for each chunk.
  if (id_.empty()) id_ = WholeUtf8(delta.id);
  data_.clear();
  if (!delta.data.empty()) broken_ = broken_ || !base64_.Add(UnescapeJson(delta.data, scratch_), data_);
  piece.data = data_;
  piece.transcript = joiner_.Join(UnescapeJson(delta.transcript, scratch_));
  if (!data_.empty() && mime_type_.empty()) mime_type_ = TypeOfBytes(data_);
  if (!piece.empty() && !type_told_ && !mime_type_.empty()) {
    piece.mime_type = mime_type_;
    type_told_ = true;
  }
  return !broken_ || delta.data.empty();
}

OpenAiAudio::Piece OpenAiAudio::Flush() {
  Piece piece;
  piece.transcript = joiner_.Flush();
  return piece;
}

}  // namespace sluice
