// Asks about an image: ./image FILE [QUESTION]
#include <fstream>
#include <iostream>
#include <iterator>

#include "collector.h"
#include "common.h"

namespace {

std::string MimeType(const std::string& path) {
  const std::string ending = path.substr(path.rfind('.') + 1);
  if (ending == "jpg" || ending == "jpeg") return "image/jpeg";
  return ending == "gif" || ending == "webp" ? "image/" + ending : "image/png";
}

v1::Media ReadImage(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  v1::Media media;
  media.set_mime_type(MimeType(path));
  // An image on the web: set_url("https://...") in place of data.
  media.set_data(std::string(std::istreambuf_iterator<char>(file), {}));
  return media;
}

}  // namespace

int main(int argc, char** argv) {
  return Run([&] {
    if (argc < 2) throw std::runtime_error("usage: image FILE [QUESTION]");
    v1::ChatRequest request = Ask("");
    v1::Message& message = *request.mutable_messages(0);
    message.add_parts()->set_text(Question(argc, argv, "What is in this image?", 1));
    *message.add_parts()->mutable_media() = ReadImage(argv[1]);
    const auto stub = Connect();
    grpc::ClientContext context;
    SetDeadline(context);
    const Collector answer = Collect(*stub->StreamChat(&context, request), Show);
    std::cout << "\n";
    PrintEnd(*answer.end, answer.Text());
  });
}
