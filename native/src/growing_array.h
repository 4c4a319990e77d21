// An array that grows and is written without a check for each element: the writer reserves first. Kept
// from payload to payload, so that growing is over soon.
#pragma once
#include <cstddef>
#include <cstdlib>

namespace tributary {

template <typename T>
class GrowingArray {
 public:
  GrowingArray() = default;
  ~GrowingArray() { free(data_); }
  GrowingArray(const GrowingArray&) = delete;
  GrowingArray& operator=(const GrowingArray&) = delete;

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t length() const { return length_; }
  // At most what is written, or was reserved and written since.
  void SetLength(size_t length) { length_ = length; }
  // Makes room for `count` more. Returns where the first goes, until the next call.
  T* Reserve(size_t count) {
    if (count > capacity_ - length_) Grow(count);
    return data_ + length_;
  }
  // Only where there is room.
  void Put(T element) { data_[length_++] = element; }

 private:
  void Grow(size_t count) {
    size_t capacity = (length_ + count) * 2;
    void* grown = realloc(data_, capacity * sizeof(T));
    if (grown == nullptr) abort();  // out of memory: nothing sensible is left to do
    data_ = static_cast<T*>(grown);
    capacity_ = capacity;
  }

  T* data_ = nullptr;
  size_t length_ = 0, capacity_ = 0;
};

}  // namespace tributary
