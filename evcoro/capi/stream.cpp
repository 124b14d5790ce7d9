#include <evcoro/io/stream.h>

#include <cerrno>
#include <climits>
#include <new>
#include <span>
#include <string_view>

#include <evcoro/libevent/bufferevent.h>
#include <evcoro/capi/objects.hpp>
#include <evcoro/io/buffered_reader.hpp>
#include <evcoro/io/buffered_writer.hpp>

using namespace evcoro::capi;
using evcoro::AnyStream;
using evcoro::BufferedReader;
using evcoro::BufferedWriter;
using evcoro::IoResult;
using evcoro::Result;

struct tagEVREADER final : Object {
  tagEVREADER(AnyStream its_stream, evcoro::ReaderOptions options) noexcept
      : stream(its_stream), reader(stream, options) {}
  AnyStream stream;
  BufferedReader<AnyStream> reader;
};

struct tagEVWRITER final : Object {
  tagEVWRITER(AnyStream its_stream, std::size_t size) noexcept
      : stream(its_stream), writer(stream, size) {}
  AnyStream stream;
  BufferedWriter<AnyStream> writer;
};

namespace {

// 1, 0 at the end of the stream, or -1.
template <class T>
int to_int(const Result<T>& result) noexcept {
  if (result) return 1;
  return result.error() == evcoro::Errc::end_of_file ? 0 : fail(result.error());
}

// Stores a text, and writes '\0' over the end that has been read behind it.
int store_text(const Result<std::string_view>& text, const char** where, size_t* length) noexcept {
  if (!text) return to_int(text);
  const_cast<char*>(text->data())[text->size()] = '\0';  // the buffer isn't const
  *where = text->data();
  *length = text->size();
  return 1;
}

}  // namespace

namespace evcoro::capi {

EVREADER* make_reader(EVTHREAD& thread, AnyStream stream, size_t size, size_t limit) noexcept {
  ReaderOptions options;
  if (size != 0) options.size = size;
  if (limit != 0) options.limit = limit;
  return give_to(thread, new (std::nothrow) EVREADER(stream, options));
}

EVWRITER* make_writer(EVTHREAD& thread, AnyStream stream, size_t size) noexcept {
  return give_to(thread, new (std::nothrow) EVWRITER(stream, size != 0 ? size : 4096));
}

}  // namespace evcoro::capi

EVREADER* EVREADER_init(EVTHREAD* thread, EVSOCKET* socket, size_t size, size_t limit) noexcept {
  if (thread == nullptr || socket == nullptr) return refuse(EINVAL);
  return make_reader(*thread, socket->socket, size, limit);
}

EVREADER* EVREADER_init_bufferevent(EVTHREAD* thread, EVBUFFEREVENT* stream, size_t size,
                                    size_t limit) noexcept {
  if (thread == nullptr || stream == nullptr) return refuse(EINVAL);
  return make_reader(*thread, to_stream(*stream), size, limit);
}

int EVREADER_free(EVREADER* reader) noexcept {
  if (reader == nullptr) return fail(EINVAL);
  reader->dispose();
  return 0;
}

int EVREADER_set_limit(EVREADER* reader, size_t limit) noexcept {
  if (reader == nullptr) return fail(EINVAL);
  reader->reader.set_limit(limit);
  return 0;
}

int EVREADER_read_line(EVREADER* reader, const char** line, size_t* length,
                       struct timeval timeout) noexcept {
  if (reader == nullptr || line == nullptr || length == nullptr) return fail(EINVAL);
  return store_text(reader->reader.read_line(to_timeout(timeout)), line, length);
}

int EVREADER_read_until(EVREADER* reader, const char* delimiter, size_t delimiter_length,
                        const char** text, size_t* length, struct timeval timeout) noexcept {
  if (reader == nullptr || delimiter == nullptr || text == nullptr || length == nullptr) {
    return fail(EINVAL);
  }
  const std::string_view end{delimiter, delimiter_length};
  return store_text(reader->reader.read_until(end, to_timeout(timeout)), text, length);
}

int EVREADER_read_exactly(EVREADER* reader, size_t size, const void** data,
                          struct timeval timeout) noexcept {
  if (reader == nullptr || data == nullptr) return fail(EINVAL);
  const auto bytes = reader->reader.read_exactly(size, to_timeout(timeout));
  if (bytes) *data = bytes->data();
  return to_int(bytes);
}

int EVREADER_peek(EVREADER* reader, size_t size, const void** data, size_t* length,
                  struct timeval timeout) noexcept {
  if (reader == nullptr || data == nullptr || length == nullptr) return fail(EINVAL);
  const auto bytes = reader->reader.peek(size, to_timeout(timeout));
  if (bytes) *data = bytes->data(), *length = bytes->size();
  return to_int(bytes);
}

int EVREADER_read_some(EVREADER* reader, void* buf, size_t size, struct timeval timeout) noexcept {
  if (reader == nullptr || (buf == nullptr && size != 0) || size > INT_MAX) return fail(EINVAL);
  const std::span<std::byte> buffer{static_cast<std::byte*>(buf), size};
  const IoResult in = reader->reader.read_some(buffer, to_timeout(timeout));
  return in.error ? fail(in.error) : static_cast<int>(in.count);
}

int EVREADER_read_all(EVREADER* reader, void* buf, size_t size, size_t* count,
                      struct timeval timeout) noexcept {
  if (reader == nullptr || (buf == nullptr && size != 0) || count == nullptr) return fail(EINVAL);
  const std::span<std::byte> buffer{static_cast<std::byte*>(buf), size};
  const IoResult in = reader->reader.read_all(buffer, to_timeout(timeout));
  *count = in.count;
  return finish(in.error);
}

size_t EVREADER_buffered(EVREADER* reader, const void** data) noexcept {
  if (reader == nullptr) return 0;
  const auto bytes = reader->reader.buffered();
  if (data != nullptr) *data = bytes.data();
  return bytes.size();
}

int EVREADER_consume(EVREADER* reader, size_t size) noexcept {
  if (reader == nullptr) return fail(EINVAL);
  reader->reader.consume(size);
  return 0;
}

EVWRITER* EVWRITER_init(EVTHREAD* thread, EVSOCKET* socket, size_t size) noexcept {
  if (thread == nullptr || socket == nullptr) return refuse(EINVAL);
  return make_writer(*thread, socket->socket, size);
}

EVWRITER* EVWRITER_init_bufferevent(EVTHREAD* thread, EVBUFFEREVENT* stream, size_t size) noexcept {
  if (thread == nullptr || stream == nullptr) return refuse(EINVAL);
  return make_writer(*thread, to_stream(*stream), size);
}

int EVWRITER_free(EVWRITER* writer) noexcept {
  if (writer == nullptr) return fail(EINVAL);
  writer->dispose();
  return 0;
}

int EVWRITER_write(EVWRITER* writer, const void* data, size_t size, size_t* count,
                   struct timeval timeout) noexcept {
  if (writer == nullptr || (data == nullptr && size != 0)) return fail(EINVAL);
  const std::span<const std::byte> bytes{static_cast<const std::byte*>(data), size};
  const IoResult out = writer->writer.write(bytes, to_timeout(timeout));
  if (count != nullptr) *count = out.count;
  return finish(out.error);
}

int EVWRITER_flush(EVWRITER* writer, struct timeval timeout) noexcept {
  if (writer == nullptr) return fail(EINVAL);
  return finish(writer->writer.flush(to_timeout(timeout)));
}

size_t EVWRITER_buffered(EVWRITER* writer) noexcept {
  return writer == nullptr ? 0 : writer->writer.buffered();
}
