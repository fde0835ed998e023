// The time of sending, inside the text of every chunk: the upstream writes it,
// the load generator reads it, so that a chunk's latency needs no matching of
// the two ends. Both run on one machine, on one clock.
#ifndef SLUICE_TESTS_BENCH_STAMP_H_
#define SLUICE_TESTS_BENCH_STAMP_H_

#include <time.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::bench {

inline int64_t NowNs() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return int64_t{ts.tv_sec} * 1'000'000'000 + ts.tv_nsec;
}

// "@" and 16 hexadecimal digits of nanoseconds: as long as a long word.
constexpr char kStampMark = '@';
constexpr size_t kStampBytes = 17;

inline void WriteStamp(char* out, int64_t ns) {
  out[0] = kStampMark;
  for (size_t i = kStampBytes - 1; i > 0; --i, ns >>= 4) out[i] = "0123456789abcdef"[ns & 15];
}

// -1 where it is none.
inline int64_t ReadStamp(std::string_view text) {
  if (text.size() < kStampBytes || text[0] != kStampMark) return -1;
  int64_t ns = 0;
  for (size_t i = 1; i < kStampBytes; ++i) {
    const char c = text[i];
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return -1;
    ns = ns << 4 | digit;
  }
  return ns;
}

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_STAMP_H_
