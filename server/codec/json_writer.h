// Writes JSON like rapidjson's Writer, and texts as fast as they can be copied:
// a prompt may have hundreds of KiB, and rapidjson takes it byte by byte. Used
// by what makes requests; belongs to one request.
#ifndef SLUICE_SERVER_CODEC_JSON_WRITER_H_
#define SLUICE_SERVER_CODEC_JSON_WRITER_H_

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <string_view>

namespace sluice {

class JsonWriter : public rapidjson::Writer<rapidjson::StringBuffer> {
 public:
  explicit JsonWriter(rapidjson::StringBuffer& out) : Writer(out) {}

  // A string, also where a key stands.
  void Text(std::string_view text);
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_JSON_WRITER_H_
