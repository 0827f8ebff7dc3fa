/* The device of the stub driver: memory that is checked, and work in the order of streams. */
#pragma once

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { SUCCESS = 0, NO_MEMORY = 2, INVALID_DEVICE = 101, INVALID_CONTEXT = 201, NOT_FOUND = 500 };
enum { ILLEGAL_ADDRESS = 700, STREAM_CAPTURE_UNSUPPORTED = 900 };
enum { PROCESSORS = 16, INTEGRATED = 18, MAJOR = 75, MINOR = 76, MEMORY_POOLS = 115 };
enum { ARGUMENTS = 21 };
enum { PER_THREAD = 2 }; /* the greatest handle of a default stream */

typedef int Result;
typedef uint64_t Address;
typedef void (*OnLaunch)(const char* symbol, unsigned programs, unsigned threads, unsigned shared,
                         const void* const* arguments);

typedef struct Block {
  char* place;
  size_t size;
  int given_back;
  struct Block* next;
} Block;

typedef struct {
  int unloaded;
} Library;

typedef struct {
  const Library* library;
  char* symbol;
} Kernel;

typedef struct Work {
  enum { COPY, FILL, LAUNCH, GIVE } kind;
  void* target;
  const void* source;
  size_t size;
  const Kernel* kernel;
  unsigned programs, threads, shared;
  uint64_t values[ARGUMENTS];
  struct Work* next;
} Work;

typedef struct {
  Work *first, *last;
} Graph;

typedef struct Stream {
  Graph* recording;
  Graph queue;
  struct Stream* next;
} Stream;

static int context, integrated, broken, most_shared;
static long allocations;
static Block* blocks;
static Stream* streams;
static OnLaunch on_launch;
static __thread void* current;

/* Whether an address lies in memory that was given back. Other memory of the host is anybody's. */
static int gone(const void* place) {
  for (const Block* block = blocks; block != NULL; block = block->next)
    if ((const char*)place >= block->place && (const char*)place < block->place + block->size)
      return block->given_back;
  return 0;
}

static void give(void* place) {
  for (Block* block = blocks; block != NULL; block = block->next) {
    if (block->place != (char*)place || block->given_back) continue;
    mprotect(block->place, block->size, PROT_NONE); /* and never to be had again */
    block->given_back = 1;
    --allocations;
  }
}

/* Arrays come first, then numbers, which are of 32 bits. */
typedef struct {
  const char* symbol;
  int arrays, numbers;
} Signature;

static const Signature signatures[] = {{"vq_fusion", 6, 1},
                                       {"tacn_step", 7, 1},
                                       {"spectrum", 3, 8},
                                       {"running_level", 5, 5},
                                       {"convolution", 5, 15}};

static Signature signature_of(const Kernel* kernel) {
  const int count = sizeof(signatures) / sizeof(signatures[0]);
  for (int i = 0; i < count; ++i)
    if (strcmp(kernel->symbol, signatures[i].symbol) == 0) return signatures[i];
  return (Signature){kernel->symbol, 0, 0};
}

static void run(const Work* work) {
  const void* arguments[ARGUMENTS];
  if (work->kind == GIVE) give(work->target);
  if (work->kind == GIVE || broken) return;
  if (work->kind == LAUNCH) {
    broken |= work->kernel->library->unloaded;
    for (int i = 0; i < signature_of(work->kernel).arrays; ++i)
      broken |= gone((void*)work->values[i]);
  } else {
    broken |= gone(work->target) || gone(work->source);
  }
  if (broken) return;
  if (work->kind == COPY) memcpy(work->target, work->source, work->size);
  if (work->kind == FILL) memset(work->target, (int)work->values[0], work->size);
  if (work->kind != LAUNCH || on_launch == NULL) return;
  for (int i = 0; i < ARGUMENTS; ++i) arguments[i] = &work->values[i];
  on_launch(work->kernel->symbol, work->programs, work->threads, work->shared, arguments);
}

static void append(Graph* graph, Work work) {
  Work* kept = malloc(sizeof work);
  *kept = work;
  kept->next = NULL;
  if (graph->last != NULL) graph->last->next = kept;
  if (graph->first == NULL) graph->first = kept;
  graph->last = kept;
}

static void clear(Graph* graph) {
  while (graph->first != NULL) {
    Work* next = graph->first->next;
    free(graph->first);
    graph->first = next;
  }
  graph->last = NULL;
}

static void finish(Stream* stream) {
  Graph queue = stream->queue;
  stream->queue = (Graph){NULL, NULL};
  for (const Work* work = queue.first; work != NULL; work = work->next) run(work);
  clear(&queue);
}

static void finish_all(void) {
  for (Stream* stream = streams; stream != NULL; stream = stream->next) finish(stream);
}

static Result enqueue(Stream* stream, Work work) {
  if (broken || current == NULL) return broken ? ILLEGAL_ADDRESS : INVALID_CONTEXT;
  append(stream->recording == NULL ? &stream->queue : stream->recording, work);
  return SUCCESS;
}

static Result take(void** place, size_t size) {
  if (broken) return ILLEGAL_ADDRESS;
  *place = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (*place == MAP_FAILED) return NO_MEMORY;
  Block* block = malloc(sizeof *block);
  *block = (Block){*place, size, 0, blocks};
  blocks = block;
  ++allocations;
  return SUCCESS;
}
