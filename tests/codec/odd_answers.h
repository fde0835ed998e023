// Answers that are odd but readable, as servers send them: made by chance from a
// grammar, together with what the model meant. Pure; one seed, one answer.
#ifndef SLUICE_TESTS_CODEC_ODD_ANSWERS_H_
#define SLUICE_TESTS_CODEC_ODD_ANSWERS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sluice {

struct MeantAnswer {
  std::string text;
  std::string reasoning;
  std::vector<std::pair<std::string, std::string>> calls;  // name, arguments
  std::optional<std::pair<int, int>> usage;                // input, output
};

struct OddAnswer {
  std::string bytes;
  MeantAnswer meant;
  // It ends like a whole answer, in one way or another; else it broke off.
  bool whole = true;
  // The connection breaks after the bytes.
  bool cut = false;
};

OddAnswer MakeOddAnswer(uint64_t seed);

}  // namespace sluice

#endif  // SLUICE_TESTS_CODEC_ODD_ANSWERS_H_
