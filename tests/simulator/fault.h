// How an answer of the simulator goes wrong, and the script that says which
// one does. Used on the simulator's thread.
#ifndef SLUICE_TESTS_SIMULATOR_FAULT_H_
#define SLUICE_TESTS_SIMULATOR_FAULT_H_

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/simulator/pushback.h"

namespace sluice::simulator {

struct Fault {
  enum class Kind {
    kNone,        // "ok"
    kRefuse,      // refuse[:MS]: RST at once; stops listening for MS
    kStatus,      // status:503[:retry-after=2|date+2][:retry-after-ms=800][:reset=800ms][:body=…]
    kQuota,       // quota: 429, the account's money is gone
    kContextLength,  // context-length: 400, the prompt is too long
    kContentPolicy,  // content-policy: 400, refused by policy
    kSilence,     // headers, then nothing
    kNoHeaders,   // nothing at all
    kCut,         // cut:N: closes after N chunks, without the end
    kReset,       // reset:N: RST after N chunks
    kStall,       // stall:N: nothing more after N chunks
    kTrickle,     // trickle[:MS]: byte by byte, MS apart (1)
    kMalformed,   // malformed:N: broken JSON after N chunks
    kSlow,        // slow:MS: that long between chunks
    kDelay,       // delay:MS: that long before the headers
    kLate,        // late:MS: headers at once, first content after that long
    kGarbage,     // bytes that are no HTTP
    kErrorEvent,  // error-event:N: an error object after N chunks
    kWrongType,   // 200 text/html
    kNoDone,      // no [DONE], but a proper end
    kDropUsage,   // no usage though it was asked for
  };

  Kind kind = Kind::kNone;
  int number = 0;  // N, MS or the status
  Pushback pushback;
  std::string body;
  std::string counted_as;  // in the statistics; empty: its first word

  // As it counts in the statistics: "cut".
  std::string_view name() const;
};

// Parses "cut:3". nullopt, and why in `problem`, if it is no fault.
std::optional<Fault> ParseFault(std::string_view spec, std::string& problem);

// The fault that the beginning of a prompt asks of the simulator `name`:
// "[[fault cut:3]]" of any, "[[alpha cut:3]][[beta ok]]" of one each. Takes
// these off the prompt. A spec that cannot be read is an error in `problem`.
std::optional<Fault> TakePromptFault(std::string_view name, std::string& prompt, std::string& problem);

// Which fault comes next: in turn (for ever, or each once and then none), or,
// with a percentage, at random.
class FaultScript {
 public:
  void Set(std::vector<Fault> faults, std::optional<double> percent, uint64_t seed, bool once = false);
  Fault Next();

 private:
  std::vector<Fault> faults_;
  std::optional<double> percent_;
  size_t next_ = 0;
  bool once_ = false;
  std::mt19937_64 random_;
};

}  // namespace sluice::simulator

#endif  // SLUICE_TESTS_SIMULATOR_FAULT_H_
