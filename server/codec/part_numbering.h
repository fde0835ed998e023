// Numbers the parts of one choice densely, in order of first content; an
// upstream's own indices never leak. Shared by all wire formats.
#ifndef SLUICE_SERVER_CODEC_PART_NUMBERING_H_
#define SLUICE_SERVER_CODEC_PART_NUMBERING_H_

namespace sluice {

class PartNumbering {
 public:
  // Begins the next part: its number. The part before it must be closed.
  int Open() {
    open_ = true;
    return next_++;
  }
  void Close() { open_ = false; }
  bool is_open() const { return open_; }
  // The newest part.
  int current() const { return next_ - 1; }

 private:
  int next_ = 0;
  bool open_ = false;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_PART_NUMBERING_H_
