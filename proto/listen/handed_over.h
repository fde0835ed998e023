// Connections that were handed over to a library that owns them from then on, and
// does not say when it closes them. Whether one is still open is asked of the
// kernel: a descriptor whose socket has another inode number, or none, is not it.
// One thread.
#ifndef SLUICE_PROTO_LISTEN_HANDED_OVER_H_
#define SLUICE_PROTO_LISTEN_HANDED_OVER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice {

class HandedOver {
 public:
  // `fd` is about to be handed over. How many were found closed by that: 1 where
  // one had this number before.
  size_t Add(int fd);
  // Looks at no more than `most`, after where it stopped last, each at most once;
  // some 0.4 µs each. How many of them are closed; they are forgotten.
  size_t Look(size_t most);
  size_t size() const { return size_; }

 private:
  // By descriptor: 0 is none.
  std::vector<uint64_t> inodes_;
  size_t size_ = 0;
  size_t next_ = 0;
};

}  // namespace sluice

#endif  // SLUICE_PROTO_LISTEN_HANDED_OVER_H_
