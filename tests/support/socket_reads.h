// Which thread read which socket. A library of its own that stands before libc:
// a test links it, or hands it to a program (LD_PRELOAD), which then writes what
// it has counted into the file named by SLUICE_SOCKET_READS when it ends.
//
// Reads are told by the thread's name: how often a thread wakes up depends on
// the machine, who reads does not.
#ifndef SLUICE_TESTS_SUPPORT_SOCKET_READS_H_
#define SLUICE_TESTS_SUPPORT_SOCKET_READS_H_

#include <cstdint>
#include <map>
#include <string>

namespace sluice {

// By thread name: reads that brought bytes of sockets whose own TCP port is
// `port`. Any thread.
std::map<std::string, int64_t> SocketReads(int port);

// The same of a program that has ended; empty when it wrote nothing.
std::map<std::string, int64_t> SocketReadsIn(const std::string& path, int port);

}  // namespace sluice

#endif  // SLUICE_TESTS_SUPPORT_SOCKET_READS_H_
