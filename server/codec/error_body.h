// The error that a JSON text tells, in any of the shapes that servers of this
// format and proxies before them use. Pure; any thread.
#ifndef SLUICE_SERVER_CODEC_ERROR_BODY_H_
#define SLUICE_SERVER_CODEC_ERROR_BODY_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/resilience/time.h"

namespace sluice {

struct ErrorBody {
  bool is_json = false;
  // Its shape says that it is an error, not an answer or news of a stream.
  bool is_error = false;
  std::string message;  // for people
  // What else may say what it means: texts of errors within, names of quotas.
  std::string hints;
  // As they are told first.
  std::string code;
  std::string type;
  std::string param;
  // Every code, type and status word, from the outermost error inwards.
  std::vector<std::string> words;
  int http_status = 0;  // told as a code: 400 to 599
  int base_code = 0;    // MiniMax's base_resp.status_code
  std::optional<Duration> retry_after;
};

ErrorBody ReadErrorBody(std::string_view json);

// What a message that holds the JSON text of another error tells, as proxies
// hand it on: 'litellm.BadRequestError: … {"error": …}'.
void ReadErrorWithin(std::string_view message, ErrorBody& error);

// A code that is an HTTP status of a failure, be it a text: "429". Else 0.
int HttpStatusOfCode(std::string_view code);

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_ERROR_BODY_H_
