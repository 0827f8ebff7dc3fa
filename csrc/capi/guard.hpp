#pragma once

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <string_view>

#include "bundle/bundle_error.hpp"
#include "edgeser.h"
#include "error.hpp"
#include "stream/errors.hpp"

namespace edgeser {

inline edgeser_status tell(edgeser_error* error, edgeser_status status,
                           std::string_view message) noexcept {
  if (error == nullptr) return status;
  std::size_t length = std::min(message.size(), sizeof error->message - 1);
  if (length < message.size()) {  // cut between UTF-8 characters, not within one
    while (length > 0 && (message[length] & 0xc0) == 0x80) --length;
  }
  if (length > 0) std::memcpy(error->message, message.data(), length);
  error->message[length] = '\0';
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
