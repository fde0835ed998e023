// The rows of the error table. For error_table.cc and its tests alone.
#ifndef SLUICE_SERVER_CODEC_ERROR_ROWS_H_
#define SLUICE_SERVER_CODEC_ERROR_ROWS_H_

#include <span>
#include <string_view>

#include "server/codec/error_table.h"

namespace sluice {

enum class ErrorPlace {
  kWord,      // a whole code, type or status word: lower-case, without '_', '-' and blanks
  kBaseCode,  // base_resp.status_code
  kMessage,   // a phrase of a message, lower-case, that does not begin within a word
};

struct ErrorRow {
  ErrorPlace place;
  // '*' stands for anything; in a message for no more than some words.
  std::string_view text;
  ErrorSign sign;
};

std::span<const ErrorRow> ErrorRows();

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_ERROR_ROWS_H_
