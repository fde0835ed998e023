// What the simulator understands of a request, and what it says: the same text
// for the same request, so that a test can tell whether an answer is whole, in
// order, and whose it is.
#ifndef SLUICE_TESTS_SIMULATOR_CHAT_H_
#define SLUICE_TESTS_SIMULATOR_CHAT_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::simulator {

enum class AnswerMode {
  kNumbered,  // "alpha:0 alpha:1 …": who, and which chunk
  kText,      // a text, word by word
  kEcho,      // the words of the prompt
};

struct AnswerOptions {
  std::string name = "simulator";
  AnswerMode mode = AnswerMode::kText;
  std::string text;       // empty: one of ours
  int chunks = 0;         // 0: 10 numbered ones, or as many as the text has
  size_t chunk_bytes = 0;  // at least that long (numbered) or about (text)
  std::string model = "simulated";
};

struct ChatCall {
  std::string model;
  std::string prompt;  // the last user message's text
  bool stream = false;
  bool include_usage = false;
  int n = 1;
  int prompt_tokens = 0;  // words of all messages
};

// nullopt if `body` is no chat request; why in `problem`.
std::optional<ChatCall> ParseChatCall(std::string_view body, std::string& problem);

// The answer's text, in the pieces that become chunks. Never empty.
std::vector<std::string> AnswerPieces(const AnswerOptions& options, const ChatCall& call);

// The JSON of single chunks and whole answers.
class ChatJson {
 public:
  ChatJson(std::string id, std::string model) : id_(std::move(id)), model_(std::move(model)) {}

  std::string Role(int choice) const;
  std::string Piece(int choice, std::string_view text) const;
  std::string Finish(int choice) const;
  std::string Usage(int prompt_tokens, int completion_tokens) const;
  std::string Whole(const ChatCall& call, const std::vector<std::string>& pieces) const;

 private:
  std::string id_;
  std::string model_;
};

std::string ModelsJson(std::string_view model);
// An error in OpenAI's form, as such a status has it.
std::string ErrorJson(int status, std::string_view message);
std::string ErrorJson(std::string_view type, std::string_view code, std::string_view message);

}  // namespace sluice::simulator

#endif  // SLUICE_TESTS_SIMULATOR_CHAT_H_
