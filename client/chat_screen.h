// How sluice-chat shows an answer: the text as it comes on stdout, everything
// about the answer on stderr, so that a pipe gets the text and nothing else.
// One thread.
#ifndef SLUICE_CLIENT_CHAT_SCREEN_H_
#define SLUICE_CLIENT_CHAT_SCREEN_H_

#include <map>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "client/sluice_client.h"

namespace sluice {

// One answer's measures, taken at this end.
struct AnswerTiming {
  absl::Duration first_token = absl::ZeroDuration();
  absl::Duration total = absl::ZeroDuration();
};

// "complete · openai/backup · 2 attempts · first token 312 ms · 118 tokens at 61/s".
std::string TailLine(const v1::End& end, const AnswerTiming& timing);

// Control characters, and marks that turn the direction of writing, made visible:
// an answer must not steer the terminal.
std::string SafeForTerminal(std::string_view text);

class ChatScreen {
 public:
  struct Options {
    // stdout or stderr is a terminal. Only then reasoning, colour and, unless
    // asked for, the last line are shown.
    bool out_is_terminal = false;
    bool err_is_terminal = false;
    // NO_COLOR was not set.
    bool color = true;
    // Events as JSON lines in place of text.
    bool json = false;
    // The last line also where stderr is no terminal.
    bool summary = false;
  };

  ChatScreen(std::ostream& out, std::ostream& err, const Options& options)
      : out_(out), err_(err), options_(options) {}

  // Begins an answer.
  void Start(absl::Time now);
  void Show(const v1::ChatEvent& event, absl::Time now);
  // Ends the line and says how it went.
  void Finish(const CallResult& result, bool cancelled, absl::Time now);

 private:
  enum class Style { kPlain, kDim };

  void Restart(const v1::Continuation& continuation);
  // A delta of a part is to be shown: other parts may be open beside it.
  void TurnTo(const v1::ChatEvent& event);

  void Write(std::string_view text, Style style);
  void SetStyle(Style style);
  void ShowSources(bool dim);
  void ShowFailure(const CallFailure& failure, bool shown_text);

  std::ostream& out_;
  std::ostream& err_;
  const Options options_;
  Style style_ = Style::kPlain;
  int part_ = -1;  // the one shown last
  std::map<int, std::string> tools_;  // the names of open calls, by part
  std::vector<std::string> sources_;
  bool at_line_start_ = true;
  bool wrote_ = false;
  bool has_text_ = false;  // the answer is written, not only spoken
  absl::Time started_;
  absl::Time first_token_ = absl::InfiniteFuture();
};

}  // namespace sluice

#endif  // SLUICE_CLIENT_CHAT_SCREEN_H_
