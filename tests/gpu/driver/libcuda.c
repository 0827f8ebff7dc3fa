/* A driver without a GPU: what cuda.core asks of libcuda.so.1, done in host memory at once.
 *
 * Kernels are names; launches go to whoever registered for them. A stream that records keeps what
 * it is told for its graph. Memory while recording, unknown streams and work after a failure are
 * refused as the real one refuses them. Only what is called here is here: anything else is "not
 * found", by name.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

enum { SUCCESS = 0, NO_MEMORY = 2, INVALID_DEVICE = 101, INVALID_CONTEXT = 201, NOT_FOUND = 500 };
enum { ILLEGAL_ADDRESS = 700, STREAM_CAPTURE_UNSUPPORTED = 900 };
enum { PROCESSORS = 16, INTEGRATED = 18, MAJOR = 75, MINOR = 76, MEMORY_POOLS = 115 };
enum { ARGUMENTS = 8 };
enum { PER_THREAD = 2 }; /* the greatest handle of a default stream */

typedef int Result;
typedef uint64_t Address;
typedef void (*OnLaunch)(const char* symbol, unsigned programs, unsigned threads, unsigned shared,
                         const void* const* arguments);

typedef struct Work {
  enum { COPY, FILL, LAUNCH } kind;
  void* target;
  const void* source;
  size_t size;
  const char* symbol;
  unsigned programs, threads, shared;
  uint64_t values[ARGUMENTS];
  struct Work* next;
} Work;

typedef struct {
  Work *first, *last;
} Graph;

typedef struct {
  Graph* recording;
} Stream;

static int context, integrated, broken, most_shared;
static long allocations;
static OnLaunch on_launch;
static __thread void* current;

/* For the test. */

EXPORT void stub_on_launch(OnLaunch function) { on_launch = function; }
EXPORT void stub_share_memory(int yes) { integrated = yes; }
EXPORT void stub_break(int yes) { broken = yes; }
EXPORT long stub_allocations(void) { return allocations; }
EXPORT int stub_most_shared(void) { return most_shared; }

static void run(const Work* work) {
  const void* arguments[ARGUMENTS];
  if (work->kind == COPY) memcpy(work->target, work->source, work->size);
  if (work->kind == FILL) memset(work->target, (int)work->values[0], work->size);
  if (work->kind != LAUNCH || on_launch == NULL) return;
  for (int i = 0; i < ARGUMENTS; ++i) arguments[i] = &work->values[i];
  on_launch(work->symbol, work->programs, work->threads, work->shared, arguments);
}

static Result enqueue(Stream* stream, Work work) {
  if (broken || current == NULL) return broken ? ILLEGAL_ADDRESS : INVALID_CONTEXT;
  if (stream->recording == NULL) {
    run(&work);
    return SUCCESS;
  }
  Graph* graph = stream->recording;
  Work* kept = malloc(sizeof work);
  *kept = work;
  if (graph->last != NULL) graph->last->next = kept;
  if (graph->first == NULL) graph->first = kept;
  graph->last = kept;
  return SUCCESS;
}

static Result take(void** place, size_t alignment, size_t size) {
  if (broken) return ILLEGAL_ADDRESS;
  *place = aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (*place == NULL) return NO_MEMORY;
  ++allocations;
  return SUCCESS;
}

static Result give(void* place) {
  free(place);
  --allocations;
  return SUCCESS;
}

/* Finding functions, devices, contexts. */

EXPORT Result cuGetProcAddress_v2(const char* name, void** function, int version, uint64_t flags,
                                  int* status) {
  (void)version, (void)flags;
  *function = dlsym(dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD), name);
  if (status != NULL) *status = *function == NULL;
  return *function == NULL ? NOT_FOUND : SUCCESS;
}

EXPORT Result cuGetProcAddress(const char* name, void** function, int version, uint64_t flags,
                               int* status) {
  return cuGetProcAddress_v2(name, function, version, flags, status);
}

EXPORT Result cuInit(unsigned flags) {
  (void)flags;
  return SUCCESS;
}

EXPORT Result cuDriverGetVersion(int* version) {
  *version = 13000;
  return SUCCESS;
}

EXPORT Result cuGetErrorName(Result error, const char** name) {
  *name = error == ILLEGAL_ADDRESS ? "CUDA_ERROR_ILLEGAL_ADDRESS" : "CUDA_ERROR_OF_THE_STUB";
  return SUCCESS;
}

EXPORT Result cuGetErrorString(Result error, const char** text) {
  (void)error;
  *text = "an error of the stub";
  return SUCCESS;
}

EXPORT Result cuDeviceGetCount(int* count) {
  *count = 1;
  return SUCCESS;
}

EXPORT Result cuDeviceGet(int* device, int number) {
  *device = number;
  return number == 0 ? SUCCESS : INVALID_DEVICE;
}

EXPORT Result cuDeviceGetName(char* name, int size, int device) {
  (void)device;
  strncpy(name, "Stub", (size_t)size);
  return SUCCESS;
}

EXPORT Result cuDeviceGetAttribute(int* value, int attribute, int device) {
  (void)device;
  *value = attribute == PROCESSORS     ? 4
           : attribute == INTEGRATED   ? integrated
           : attribute == MAJOR        ? 8
           : attribute == MINOR        ? 6
           : attribute == MEMORY_POOLS ? 1
                                       : 0;
  return SUCCESS;
}

EXPORT Result cuDevicePrimaryCtxRetain(void** made, int device) {
  (void)device;
  *made = &context;
  return SUCCESS;
}

EXPORT Result cuDevicePrimaryCtxRelease(int device) {
  (void)device;
  return SUCCESS;
}

EXPORT Result cuCtxGetCurrent(void** found) {
  *found = current;
  return SUCCESS;
}

EXPORT Result cuCtxSetCurrent(void* chosen) {
  current = chosen;
  return SUCCESS;
}

EXPORT Result cuCtxGetDevice(int* device) {
  *device = 0;
  return current == NULL ? INVALID_CONTEXT : SUCCESS;
}

EXPORT Result cuCtxGetStreamPriorityRange(int* least, int* greatest) {
  *least = *greatest = 0;
  return SUCCESS;
}

/* Streams and graphs. */

EXPORT Result cuStreamCreateWithPriority(Stream** stream, unsigned flags, int priority) {
  (void)flags, (void)priority;
  *stream = calloc(1, sizeof **stream);
  return SUCCESS;
}

EXPORT Result cuStreamDestroy(Stream* stream) {
  free(stream);
  return SUCCESS;
}

EXPORT Result cuStreamSynchronize(Stream* stream) {
  if ((uintptr_t)stream <= PER_THREAD) return SUCCESS;
  if (broken) return ILLEGAL_ADDRESS;
  return stream->recording == NULL ? SUCCESS : STREAM_CAPTURE_UNSUPPORTED;
}

EXPORT Result cuStreamGetCtx(Stream* stream, void** found) {
  (void)stream;
  *found = &context;
  return SUCCESS;
}

EXPORT Result cuStreamIsCapturing(Stream* stream, int* yes) {
  *yes = stream->recording != NULL;
  return SUCCESS;
}

EXPORT Result cuStreamGetCaptureInfo(Stream* stream, int* status, unsigned long long* id,
                                     Graph** graph, const void** before, const void** edges,
                                     size_t* count) {
  *status = stream->recording != NULL;
  if (id != NULL) *id = 1;
  if (graph != NULL) *graph = stream->recording;
  if (before != NULL) *before = NULL;
  if (edges != NULL) *edges = NULL;
  if (count != NULL) *count = 0;
  return SUCCESS;
}

EXPORT Result cuStreamBeginCapture(Stream* stream, int mode) {
  (void)mode;
  if (broken) return ILLEGAL_ADDRESS;
  stream->recording = calloc(1, sizeof(Graph));
  return SUCCESS;
}

EXPORT Result cuStreamEndCapture(Stream* stream, Graph** graph) {
  *graph = stream->recording;
  stream->recording = NULL;
  return SUCCESS;
}

EXPORT Result cuGraphInstantiateWithParams(Graph** made, Graph* graph, void* parameters) {
  (void)parameters;
  *made = graph;
  return SUCCESS;
}

EXPORT Result cuGraphLaunch(Graph* graph, Stream* stream) {
  if (broken || stream->recording != NULL) return broken ? ILLEGAL_ADDRESS : NOT_FOUND;
  for (const Work* work = graph->first; work != NULL; work = work->next) run(work);
  return SUCCESS;
}

EXPORT Result cuGraphExecDestroy(Graph* graph) {
  while (graph->first != NULL) {
    Work* next = graph->first->next;
    free(graph->first);
    graph->first = next;
  }
  return SUCCESS;
}

EXPORT Result cuGraphDestroy(Graph* graph) {
  (void)graph; /* the same as the executable one */
  return SUCCESS;
}

EXPORT Result cuUserObjectCreate(void** made, void* owned, void (*destroy)(void*), unsigned count,
                                 unsigned flags) {
  (void)destroy, (void)count, (void)flags;
  *made = owned;
  return SUCCESS;
}

EXPORT Result cuUserObjectRelease(void* object, unsigned count) {
  (void)object, (void)count;
  return SUCCESS;
}

EXPORT Result cuGraphRetainUserObject(Graph* graph, void* object, unsigned count, unsigned flags) {
  (void)graph, (void)object, (void)count, (void)flags;
  return SUCCESS;
}

EXPORT Result cuGraphReleaseUserObject(Graph* graph, void* object, unsigned count) {
  (void)graph, (void)object, (void)count;
  return SUCCESS;
}

/* Memory. */

EXPORT Result cuDeviceGetMemPool(void** pool, int device) {
  (void)device;
  *pool = &context;
  return SUCCESS;
}

EXPORT Result cuDeviceGetDefaultMemPool(void** pool, int device) {
  return cuDeviceGetMemPool(pool, device);
}

EXPORT Result cuMemPoolGetAttribute(void* pool, int attribute, uint64_t* value) {
  (void)pool, (void)attribute;
  *value = 0;
  return SUCCESS;
}

EXPORT Result cuMemPoolSetAttribute(void* pool, int attribute, uint64_t* value) {
  (void)pool, (void)attribute, (void)value;
  return SUCCESS;
}

EXPORT Result cuMemAllocFromPoolAsync(void** place, size_t size, void* pool, Stream* stream) {
  (void)pool;
  return stream->recording == NULL ? take(place, 256, size) : STREAM_CAPTURE_UNSUPPORTED;
}

EXPORT Result cuMemFreeAsync(void* place, Stream* stream) {
  (void)stream;
  return give(place);
}

EXPORT Result cuMemAllocHost(void** place, size_t size) { return take(place, 4096, size); }

EXPORT Result cuMemFreeHost(void* place) { return give(place); }

EXPORT Result cuMemsetD8Async(Address target, unsigned char value, size_t size, Stream* stream) {
  Work work = {.kind = FILL, .target = (void*)target, .size = size, .values = {value}};
  return enqueue(stream, work);
}

EXPORT Result cuMemcpyAsync(Address target, Address source, size_t size, Stream* stream) {
  Work work = {.kind = COPY, .target = (void*)target, .source = (const void*)source, .size = size};
  return enqueue(stream, work);
}

/* Code: a kernel is its name. */

EXPORT Result cuLibraryLoadData(void** library, const void* code, void* a, void* b, unsigned count,
                                void* c, void* d, unsigned other) {
  (void)a, (void)b, (void)count, (void)c, (void)d, (void)other;
  *library = (void*)code;
  return SUCCESS;
}

EXPORT Result cuLibraryUnload(void* library) {
  (void)library;
  return SUCCESS;
}

EXPORT Result cuLibraryGetKernel(char** kernel, void* library, const char* name) {
  (void)library;
  *kernel = strdup(name);
  return SUCCESS;
}

EXPORT Result cuKernelSetAttribute(int attribute, int value, char* kernel, int device) {
  (void)kernel, (void)device;
  if (attribute == 8) most_shared = value; /* MAX_DYNAMIC_SHARED_SIZE_BYTES */
  return SUCCESS;
}

typedef struct {
  unsigned grid[3], block[3], shared;
  Stream* stream;
} Launch;

EXPORT Result cuLaunchKernelEx(const Launch* launch, char* kernel, void** arguments, void** extra) {
  (void)extra;
  Work work = {.kind = LAUNCH,
               .symbol = kernel,
               .programs = launch->grid[0],
               .threads = launch->block[0],
               .shared = launch->shared};
  /* Arrays come first, then the number of rows, which is 32 bits. */
  const int arrays = strcmp(kernel, "tacn_step") == 0 ? 7 : 6;
  for (int i = 0; i <= arrays; ++i)
    memcpy(&work.values[i], arguments[i], i < arrays ? sizeof(uint64_t) : sizeof(uint32_t));
  return enqueue(launch->stream, work);
}
