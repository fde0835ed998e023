// Takes HTTP's chunked framing off, as far as any split of bytes has come.
#ifndef SLUICE_TESTS_BENCH_DECHUNKER_H_
#define SLUICE_TESTS_BENCH_DECHUNKER_H_

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>

namespace sluice::bench {

class Dechunker {
 public:
  // Appends the body's bytes to `out`. True at the end of the body.
  bool Feed(std::string_view bytes, std::string& out) {
    while (!bytes.empty()) {
      if (left_ > 0) {
        const size_t take = std::min(left_, bytes.size());
        out.append(bytes.substr(0, take));
        left_ -= take;
        bytes.remove_prefix(take);
        continue;
      }
      const char c = bytes.front();
      bytes.remove_prefix(1);
      if (c != '\n') {
        if (c != '\r') line_.push_back(c);
      } else if (OnLine()) {
        return true;
      }
    }
    return false;
  }
  void Reset() { *this = Dechunker(); }

 private:
  // The empty line after a chunk, a size, or the last line of the body.
  bool OnLine() {
    if (line_.empty()) return last_;
    left_ = std::strtoull(line_.c_str(), nullptr, 16);
    last_ = left_ == 0;
    line_.clear();
    return false;
  }

  size_t left_ = 0;
  bool last_ = false;
  std::string line_;
};

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_DECHUNKER_H_
