// One embedding of an answer, in any of the forms that servers give it: an
// object around it, or the vector alone; numbers, numbers in one more list, or
// base64 of float32. One per decoder, used again for each.
#ifndef SLUICE_SERVER_CODEC_EMBEDDING_READER_H_
#define SLUICE_SERVER_CODEC_EMBEDDING_READER_H_

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

class EmbeddingReader {
 public:
  // False: see problem().
  bool Read(std::string_view json);

  // As told; not every server tells it, and some not where it is 0.
  std::optional<int64_t> index() const { return index_; }
  const std::vector<float>& values() const { return values_; }
  const std::string& problem() const { return problem_; }

 private:
  using Value = simdjson::ondemand::value;

  simdjson::error_code ReadDocument();
  simdjson::error_code ReadObject(simdjson::ondemand::object object);
  simdjson::error_code ReadIndex(Value value);
  simdjson::error_code ReadVector(Value value);
  simdjson::error_code ReadArray(simdjson::ondemand::array array, bool inner);
  simdjson::error_code ReadNumber(Value value);
  simdjson::error_code ReadBase64(std::string_view text);

  simdjson::ondemand::parser parser_;
  simdjson::ondemand::document document_;
  std::string padded_;
  std::optional<int64_t> index_;
  std::vector<float> values_;
  std::string problem_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_EMBEDDING_READER_H_
