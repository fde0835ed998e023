// The texts inside JSON strings, read straight from the bytes of a document
// that was already found to be well-formed around them. simdjson refuses lone
// surrogates and bytes that are no UTF-8; providers cut both across chunks, so
// they are kept here (as WTF-8) for Utf8Joiner to mend.
#ifndef SLUICE_SERVER_CODEC_JSON_TEXT_H_
#define SLUICE_SERVER_CODEC_JSON_TEXT_H_

#include <optional>
#include <string>
#include <string_view>

namespace sluice {

// The string whose first character (after the quote) is at the beginning of
// `rest`: its raw text, up to the closing quote. nullopt if it has no end or
// holds an escape that JSON does not know.
std::optional<std::string_view> ScanJsonString(std::string_view rest);

// Resolves the escapes of a text that ScanJsonString gave. Without escapes the
// result is `raw` itself, else it lies in `scratch`. A lone surrogate becomes
// its three-byte form.
std::string_view UnescapeJson(std::string_view raw, std::string& scratch);

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_JSON_TEXT_H_
