// Cuts a JSON document, fed in any split, into the objects, arrays and texts of
// a list, and what is around them: so that a long list is read piece by piece.
// The list is at one of some top keys, or is the document. Finds borders only;
// whether the pieces are JSON is their reader's to say. One per document.
#ifndef SLUICE_SERVER_CODEC_JSON_LIST_SPLITTER_H_
#define SLUICE_SERVER_CODEC_JSON_LIST_SPLITTER_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice {

class JsonListSplitter {
 public:
  enum class Result {
    kMore,      // all bytes are used up
    kElement,   // element() is whole; call Next again with the rest
    kEnd,       // the document is over; envelope() is whole
    kTooLarge,  // a piece is larger than max_bytes
    kMalformed,
  };

  JsonListSplitter(std::vector<std::string> keys, size_t max_bytes) : keys_(std::move(keys)), max_bytes_(max_bytes) {}

  // Takes bytes from the front of `bytes` up to the next border.
  Result Next(std::string_view& bytes);

  // Until the next call of Next.
  const std::string& element() const { return element_; }
  // The document with an empty array at the key; "[]" where it is the list.
  const std::string& envelope() const { return envelope_; }

 private:
  // Bytes at the front that cannot be a border, as things stand.
  size_t PlainRun(std::string_view bytes) const;
  // The next byte, which may be one. kMore: go on.
  Result Take(char c);
  Result InString(char c);
  Result BetweenElements(char c);
  Result BeginElement(char c);
  Result EndElement();
  Result Outside(char c);
  Result Close();
  // kTooLarge over the bound, else kMore.
  Result Keep(std::string_view bytes);

  bool IsKey() const;

  const std::vector<std::string> keys_;
  const size_t max_bytes_;
  std::string envelope_;
  std::string element_;
  std::string last_text_;  // the last string at the top level, cut
  int depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
  int list_depth_ = 0;     // between its elements
  bool in_list_ = false;
  bool in_element_ = false;
  bool comma_due_ = false;
  bool element_due_ = false;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_JSON_LIST_SPLITTER_H_
