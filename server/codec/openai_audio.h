// Sound that is spoken in an answer: what a chunk tells of it, and its pieces
// joined over the chunks. One for each choice that has some.
#ifndef SLUICE_SERVER_CODEC_OPENAI_AUDIO_H_
#define SLUICE_SERVER_CODEC_OPENAI_AUDIO_H_

#include <string>
#include <string_view>

#include "server/codec/base64_joiner.h"
#include "server/codec/json_reader.h"
#include "server/codec/utf8_joiner.h"

namespace sluice {

// {"id": …, "transcript": …, "data": …}, each of them in some chunk. Raw texts.
struct OpenAiAudioDelta {
  std::string_view id;
  std::string_view data;  // base64
  std::string_view transcript;
  // All of it; empty: there is none.
  std::string_view json;
  // It has members that nobody knows.
  bool other = false;

  bool has_content() const { return !data.empty() || !transcript.empty(); }
};

// The type of a sound by a provider's word for its format ("pcm16").
std::string AudioMimeType(std::string_view format);

class OpenAiAudio {
 public:
  // `format`: what was asked for; empty: not told.
  explicit OpenAiAudio(std::string_view format) : mime_type_(AudioMimeType(format)) {}

  // What is new of it. The views are valid until the next call.
  struct Piece {
    std::string_view data;
    std::string_view transcript;
    // Once.
    std::string_view mime_type;

    bool empty() const { return data.empty() && transcript.empty(); }
  };

  // False: its data are no base64, and no data are taken any more.
  bool Add(const OpenAiAudioDelta& delta, Piece& piece);
  // Nothing more comes: what was held back.
  Piece Flush();

  // The provider's name for it, as it stands in JSON; empty: none.
  const std::string& id() const { return id_; }

  // Of the answer; -1: nothing was shown yet.
  int part = -1;

 private:
  std::string id_;
  std::string mime_type_;
  bool type_told_ = false;
  bool broken_ = false;
  Base64Joiner base64_;
  Utf8Joiner joiner_;
  std::string data_;
  std::string scratch_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_OPENAI_AUDIO_H_
