#include "check.hpp"

#include <cstring>

// Runs the tests whose names start with the argument, or all of them.
int main(int argc, char** argv) {
  const char* const prefix = argc > 1 ? argv[1] : "";
  int ran = 0;
  for (const check::Test& test : check::tests()) {
    if (std::strncmp(test.name, prefix, std::strlen(prefix)) != 0) continue;
    const int before = check::failures;
    try {
      test.run();
    } catch (const std::exception& error) {
      check::fail(test.name, 0, std::string("threw: ") + error.what());
    }
    std::printf("%s %s\n", check::failures == before ? "ok    " : "FAILED", test.name);
    ++ran;
  }
  if (ran == 0) std::fprintf(stderr, "no test starts with '%s'\n", prefix);
  return ran > 0 && check::failures == 0 ? 0 : 1;
}
