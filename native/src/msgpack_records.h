// Rows that are msgpackr's records, written as the maps that they stand for.
//
// A record names the keys of an object once, under an id: extension 0x72 with the id, an array of keys, and the
// values. From then on the id and the values are enough: of records within, and of rows to come. Batches are
// decoded one by one, so each gets its keys back here.
//
// - An id is a byte from 0x40 to 0x7f, which is an integer where no record was defined under it, and perhaps a
//   second byte. msgpackr writes integers of these values in two bytes.
// - What a row defines holds for those behind it. A row that is cut off is read again, and has defined nothing.
// - Keys that wait for rows to come are limited, and what is written to the room there is.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace tributary {

enum class RecordsOutcome : uint8_t { kExpanded, kCutOff, kMalformed, kNoRoom };

class MsgpackRecords {
 public:
  struct Source {
    const uint8_t* bytes;
    uint64_t length, at;
  };
  struct Target {
    uint8_t* bytes;
    uint64_t capacity, at;
  };

  // Writes the value at `from->at`. Unless it is expanded nothing has changed.
  RecordsOutcome ExpandRow(Source* from, Target* to);

 private:
  struct Shape {
    std::string keys;            // as msgpack has them, one behind the other
    std::vector<uint32_t> ends;  // of each
    bool has_second_byte;
  };
  using ShapePointer = std::shared_ptr<const Shape>;  // a record within may define its own id anew
  // Values that are still to come, and of which record they are; of an array or a map where there is none.
  struct Context {
    uint64_t left;
    ShapePointer shape;
  };

  RecordsOutcome Expand();
  RecordsOutcome Value();
  RecordsOutcome Token(uint8_t token);
  RecordsOutcome Definition(uint32_t id_bytes);
  RecordsOutcome Reference(uint32_t id);
  RecordsOutcome Begin(ShapePointer shape);
  RecordsOutcome Copy(uint64_t start, uint64_t bytes);
  RecordsOutcome Write(const void* bytes, uint64_t length);
  RecordsOutcome ReadKey(Shape* shape);
  bool ReadLength(int bytes, uint64_t* length);
  void Enter(uint64_t values, ShapePointer shape);
  bool IsDefined(uint32_t index) const { return index < shapes_.size() && shapes_[index] != nullptr; }
  ShapePointer Find(uint32_t index) const;
  ShapePointer Define(uint32_t index, ShapePointer shape);

  std::vector<ShapePointer> shapes_;  // by id
  // What the row at hand has replaced there, oldest first: to be put back when it is not whole.
  std::vector<std::pair<uint32_t, ShapePointer>> replaced_;
  uint64_t key_bytes_ = 0;  // of shapes_
  // Of the row at hand.
  Source from_{};
  Target to_{};
  Context now_{};
  std::vector<Context> outer_;
};

}  // namespace tributary
