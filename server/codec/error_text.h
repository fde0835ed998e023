// Makes a line for people of what an upstream wrote. Shared by all wire formats.
#ifndef SLUICE_SERVER_CODEC_ERROR_TEXT_H_
#define SLUICE_SERVER_CODEC_ERROR_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace sluice {

// UpstreamError.message, see there.
inline constexpr size_t kMaxErrorText = 512;

// One line of whole UTF-8, at most kMaxErrorText bytes, no control characters,
// runs of blanks made one, and what looks like a credential replaced by
// "[redacted]": providers echo the key they refuse.
std::string ErrorText(std::string_view text);

// "redirected (307) to https://b/v1/chat/completions": where a Location leads,
// without what may be secret in it (user, query, fragment).
std::string RedirectText(int http_status, std::string_view location);

// Whether `body` is a page, as proxies answer with, and what it is titled.
bool LooksLikeHtml(std::string_view body);
std::string_view HtmlTitle(std::string_view body);

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_ERROR_TEXT_H_
