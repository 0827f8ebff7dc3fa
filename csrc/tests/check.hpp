#pragma once

#include <cmath>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

// A minimal test framework. TEST(name) { ... } registers a test; CHECK and its variants report file
// and line of a failure and continue. main() is in check.cpp.
namespace check {

struct Test {
  const char* name;
  void (*run)();
};
inline std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}
inline int failures = 0;

struct Register {
  Register(const char* name, void (*run)()) { tests().push_back({name, run}); }
};

inline void fail(const char* file, int line, const std::string& what) {
  std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
  ++failures;
}

}  // namespace check

#define TEST(name)                                            \
  static void test_##name();                                  \
  static check::Register register_##name(#name, test_##name); \
  static void test_##name()

#define CHECK(condition) \
  if (!(condition)) check::fail(__FILE__, __LINE__, "failed: " #condition)

#define CHECK_NEAR(a, b, tolerance)          \
  if (!(std::abs((a) - (b)) <= (tolerance))) \
  check::fail(__FILE__, __LINE__,            \
              "failed: " #a " = " + std::to_string(a) + " is not near " + std::to_string(b))

#define CHECK_EQUAL(a, b)                           \
  if (const auto check_got = (a); check_got != (b)) \
  check::fail(__FILE__, __LINE__,                   \
              "failed: " #a " = " + std::to_string(check_got) + ", expected " + std::to_string(b))

// The expression must throw edgeser::Error with `fragment` in its message.
#define CHECK_ERROR(expression, fragment)                                             \
  try {                                                                               \
    (void)(expression);                                                               \
    check::fail(__FILE__, __LINE__, "no error: " #expression);                        \
  } catch (const edgeser::Error& error) {                                             \
    if (std::string(error.what()).find(fragment) == std::string::npos)                \
      check::fail(__FILE__, __LINE__, std::string("another error: ") + error.what()); \
  }
