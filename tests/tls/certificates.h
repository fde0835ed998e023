// Certificates for tests, made with the openssl program in a folder of their own.
#ifndef SLUICE_TESTS_TLS_CERTIFICATES_H_
#define SLUICE_TESTS_TLS_CERTIFICATES_H_

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

namespace sluice {

class TestFolder {
 public:
  TestFolder() {
    char pattern[] = "/tmp/sluice-tls-XXXXXX";
    folder_ = mkdtemp(pattern);
  }
  ~TestFolder() { std::filesystem::remove_all(folder_); }
  TestFolder(const TestFolder&) = delete;

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::string Read(const std::string& name) const {
    std::ifstream file(path(name), std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary | std::ios::trunc) << text;
  }
  // name.pem and name.key, signed by itself. `days` before zero: out of date.
  void MakeCertificate(const std::string& name, const std::string& more = "-days 2") const {
    Run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=" + name + " -keyout " +
        name + ".key -out " + name + ".pem " + more);
  }
  void Run(const std::string& command) const {
    const std::string all = "cd " + folder_ + " && " + command + " >/dev/null 2>openssl.log";
    if (system(all.c_str()) != 0) throw std::runtime_error(command + ": " + Read("openssl.log"));
  }

 private:
  std::string folder_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_TLS_CERTIFICATES_H_
