#pragma once

#include <algorithm>
#include <exception>
#include <new>
#include <string>
#include <string_view>

#include "bundle/bundle_error.hpp"
#include "edgeser.h"
#include "error.hpp"
#include "stream/errors.hpp"

namespace edgeser {

inline bool within_character(char byte) { return (byte & 0xc0) == 0x80; }  // of UTF-8

// A message that is too long loses its middle, usually part of a path: the reason is at its end.
inline edgeser_status tell(edgeser_error* error, edgeser_status status,
                           std::string_view message) noexcept {
  if (error == nullptr) return status;
  constexpr std::size_t most = sizeof error->message - 1, tail_bytes = 300;
  std::string_view head = message, dots, tail;
  if (message.size() > most) {
    dots = "...";
    tail = message.substr(message.size() - tail_bytes);
    while (!tail.empty() && within_character(tail.front())) tail.remove_prefix(1);
    std::size_t length = most - tail_bytes - dots.size();
    while (length > 0 && within_character(message[length])) --length;
    head = message.substr(0, length);
  }
  char* to = error->message;
  for (const std::string_view part : {head, dots, tail})
    to = std::copy(part.begin(), part.end(), to);
  *to = '\0';
  return status;
}

// Runs `body`, and converts every exception into a status and a message.
template <class Body>
edgeser_status guarded(edgeser_error* error, const Body& body) noexcept {
  try {
    body();
    return tell(error, EDGESER_OK, "");
  } catch (const BundleError& e) {
    return tell(error, EDGESER_BAD_BUNDLE, e.what());
  } catch (const BackendError& e) {
    return tell(error, EDGESER_BAD_BUNDLE, e.what());
  } catch (const StateError& e) {
    return tell(error, EDGESER_BAD_STATE, e.what());
  } catch (const BusyError& e) {
    return tell(error, EDGESER_BUSY, e.what());
  } catch (const Error& e) {
    return tell(error, EDGESER_BAD_ARGUMENT, e.what());
  } catch (const std::bad_alloc&) {
    return tell(error, EDGESER_OUT_OF_MEMORY, "there is not enough memory");
  } catch (const std::exception& e) {
    return tell(error, EDGESER_INTERNAL, e.what());
  } catch (...) {
    return tell(error, EDGESER_INTERNAL, "an unknown C++ exception");
  }
}

template <class T>
void require_pointer(const T* pointer, const char* name) {
  if (pointer == nullptr) throw Error(std::string(name) + " must not be NULL");
}

}  // namespace edgeser
