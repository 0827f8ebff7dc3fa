/* A driver without a GPU: what cuda.core asks of libcuda.so.1, done in host memory.
 *
 * Kernels are names; launches go to whoever registered for them. Nothing happens before a stream is
 * synchronized. A stream that records keeps what it is told for its graph. Memory while recording,
 * unknown streams and work after a failure are refused as the real one refuses them; and so is work
 * on memory that was given back or by code that was unloaded, as most real ones do not: no address
 * is ever used again. Only what is called here is here: anything else is "not found", by name.
 */
#include "device.h"

#define EXPORT __attribute__((visibility("default")))

/* For the test. */

EXPORT void stub_on_launch(OnLaunch function) { on_launch = function; }
EXPORT void stub_share_memory(int yes) { integrated = yes; }
EXPORT void stub_break(int yes) { broken = yes; }
EXPORT long stub_allocations(void) { return allocations; }
EXPORT int stub_most_shared(void) { return most_shared; }

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
  (*stream)->next = streams;
  streams = *stream;
  return SUCCESS;
}

EXPORT Result cuStreamDestroy(Stream* stream) {
  finish(stream); /* it stays in the list, empty */
  return SUCCESS;
}

EXPORT Result cuStreamSynchronize(Stream* stream) {
  if ((uintptr_t)stream <= PER_THREAD) return SUCCESS;
  if (stream->recording != NULL) return broken ? ILLEGAL_ADDRESS : STREAM_CAPTURE_UNSUPPORTED;
  finish(stream);
  return broken ? ILLEGAL_ADDRESS : SUCCESS;
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
  for (const Work* work = graph->first; work != NULL; work = work->next)
    append(&stream->queue, *work);
  return SUCCESS;
}

EXPORT Result cuGraphExecDestroy(Graph* graph) {
  clear(graph);
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
  return stream->recording == NULL ? take(place, size) : STREAM_CAPTURE_UNSUPPORTED;
}

EXPORT Result cuMemFreeAsync(void* place, Stream* stream) {
  if ((uintptr_t)stream <= PER_THREAD) {
    finish_all();
    give(place);
  } else {
    append(&stream->queue, (Work){.kind = GIVE, .target = place});
  }
  return SUCCESS;
}

EXPORT Result cuMemAllocHost(void** place, size_t size) { return take(place, size); }

EXPORT Result cuMemFreeHost(void* place) {
  finish_all();
  give(place);
  return SUCCESS;
}

EXPORT Result cuMemsetD8Async(Address target, unsigned char value, size_t size, Stream* stream) {
  Work work = {.kind = FILL, .target = (void*)target, .size = size, .values = {value}};
  return enqueue(stream, work);
}

EXPORT Result cuMemcpyAsync(Address target, Address source, size_t size, Stream* stream) {
  Work work = {.kind = COPY, .target = (void*)target, .source = (const void*)source, .size = size};
  return enqueue(stream, work);
}

/* Code: a kernel is its name. */

EXPORT Result cuLibraryLoadData(Library** library, const void* code, void* a, void* b,
                                unsigned count, void* c, void* d, unsigned other) {
  (void)code, (void)a, (void)b, (void)count, (void)c, (void)d, (void)other;
  *library = calloc(1, sizeof(Library));
  return SUCCESS;
}

EXPORT Result cuLibraryUnload(Library* library) {
  library->unloaded = 1;
  return SUCCESS;
}

EXPORT Result cuLibraryGetKernel(Kernel** kernel, Library* library, const char* name) {
  *kernel = malloc(sizeof **kernel);
  **kernel = (Kernel){library, strdup(name)};
  return SUCCESS;
}

EXPORT Result cuKernelSetAttribute(int attribute, int value, Kernel* kernel, int device) {
  (void)kernel, (void)device;
  if (attribute == 8) most_shared = value; /* MAX_DYNAMIC_SHARED_SIZE_BYTES */
  return SUCCESS;
}

typedef struct {
  unsigned grid[3], block[3], shared;
  Stream* stream;
} Launch;

EXPORT Result cuLaunchKernelEx(const Launch* launch, Kernel* kernel, void** arguments,
                               void** extra) {
  (void)extra;
  Work work = {.kind = LAUNCH,
               .kernel = kernel,
               .programs = launch->grid[0],
               .threads = launch->block[0],
               .shared = launch->shared};
  const Signature of = signature_of(kernel);
  for (int i = 0; i < of.arrays + of.numbers; ++i)
    memcpy(&work.values[i], arguments[i], i < of.arrays ? sizeof(uint64_t) : sizeof(uint32_t));
  return enqueue(launch->stream, work);
}
