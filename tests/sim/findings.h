// What a simulated system did that it must never do, and how often each
// mechanism really acted.
#ifndef SLUICE_TESTS_SIM_FINDINGS_H_
#define SLUICE_TESTS_SIM_FINDINGS_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace sluice {

class Findings {
 public:
  void Check(bool holds, const std::string& what) {
    if (!holds && found_.size() < kMost) found_.push_back(what);
  }
  const std::vector<std::string>& found() const { return found_; }

 private:
  static constexpr size_t kMost = 10;  // the first ones tell the most
  std::vector<std::string> found_;
};

// "restarts" → 321. A run that met nothing would prove nothing.
using Coverage = std::map<std::string, uint64_t>;

}  // namespace sluice

#endif  // SLUICE_TESTS_SIM_FINDINGS_H_
