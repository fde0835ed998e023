// What the words of an error mean: codes, types and phrases of all servers that
// speak this format, in one table with where each was seen. Pure; any thread.
#ifndef SLUICE_SERVER_CODEC_ERROR_TABLE_H_
#define SLUICE_SERVER_CODEC_ERROR_TABLE_H_

#include <string_view>

namespace sluice {

// Where an error tells several, the first of this list is what it is: the more
// special goes before what a proxy says of everything.
enum class ErrorSign {
  kQuota,        // the account has nothing left, until somebody pays or a period ends
  kRefused,      // a content policy
  kContext,      // the prompt is longer than the model's context
  kModelFailed,  // the model made something unreadable; another try may do
  kRateLimited,
  kNotFound,  // that model is not there
  kAuth,
  kOverload,
  kServer,  // of any failure inside
  kCaller,  // of any request that is refused
  kNone,    // the table does not know it
};

// Of a code, type or status word. Case, '_', '-' and blanks do not matter.
ErrorSign SignOfWord(std::string_view word);

// Whether `text` may hold a phrase of kContext at all: cheaper than to look for
// each, where nothing else would count. Never false for one that does.
bool MayTellOfContext(std::string_view text);

// Of MiniMax's base_resp.status_code, whose numbers others use for other things.
ErrorSign SignOfBaseCode(int code);

// Of a text for people: of the first row that is found in its beginning. What
// follows may be the caller's own words, so the signs that would bench a
// credential or an endpoint for a request that is merely wrong are looked for
// only near the front where `only_refusal` (a 400 of no other sign).
ErrorSign SignOfMessage(std::string_view message, bool only_refusal);

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_ERROR_TABLE_H_
