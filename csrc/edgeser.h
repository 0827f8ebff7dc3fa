/* edgeser: streaming speech emotion recognition. The C API of libedgeser: C99 and C++.
 *
 * What it does. A model is opened from a bundle (NAME.edgeser). A stream takes sound and gives
 * frames: which emotion, how sure, every 128 ms. Whoever makes the features of segments elsewhere,
 * by the bundle's front end in an ONNX runtime, takes a state and edgeser_step() instead: it turns
 * the features of one segment into the probability of each emotion, given all segments before it,
 * which the state remembers. Many are stepped in one batch, of any ages, and get what they would
 * get alone, bit by bit.
 *
 * Errors. Whatever can fail returns an edgeser_status, and if `error` is not NULL writes there what
 * was wrong and what to do. Nothing is printed, nothing exits, no C++ exception comes out, no
 * global remembers anything. A call that failed has changed nothing but `error`.
 *
 * Threads. A model is immutable: any number of threads may use it at once. A stream, and a state,
 * belongs to one call at a time; a second one gets EDGESER_BUSY, never wrong numbers. The library
 * has no threads and no locks of its own. Opening and closing the same handle in two threads is the
 * caller's to prevent; a model may be closed before its states.
 *
 * Versions. While the major version is 0, a minor version may change this interface; its shared
 * library then has another name (soname). Bundles and saved states carry versions of their own:
 * newer libraries read older ones.
 */
#ifndef EDGESER_H
#define EDGESER_H

#include <stddef.h>
#include <stdint.h>

#define EDGESER_VERSION_MAJOR 0
#define EDGESER_VERSION_MINOR 1
#define EDGESER_VERSION_PATCH 0

#if defined(EDGESER_STATIC)
#define EDGESER_API
#elif defined(_WIN32) && defined(EDGESER_BUILDING)
#define EDGESER_API __declspec(dllexport)
#elif defined(_WIN32)
#define EDGESER_API __declspec(dllimport)
#else
#define EDGESER_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* --- Errors ---------------------------------------------------------------------------------- */

typedef enum edgeser_status {
  EDGESER_OK = 0,
  EDGESER_BAD_ARGUMENT = 1, /* a null pointer, a value that is not finite, ... */
  EDGESER_BAD_BUNDLE = 2,   /* no file, a damaged one, or one made by a newer edgeser */
  EDGESER_BAD_STATE = 3,    /* a saved state that is damaged, or a state of another model */
  EDGESER_BUSY = 4,         /* the state is in another call, or twice in this one */
  EDGESER_OUT_OF_MEMORY = 5,
  EDGESER_INTERNAL = 6 /* none of these: a bug in edgeser */
} edgeser_status;

/* Filled by a call that failed, emptied by one that did not; always ends in a zero. UTF-8. */
typedef struct edgeser_error {
  char message[512];
} edgeser_error;

/* "EDGESER_OK" and so on; "unknown" for any other number. */
EDGESER_API const char* edgeser_status_name(edgeser_status status);

/* The version of the library that is running, such as "0.1.0". */
EDGESER_API const char* edgeser_version(void);

/* --- Models ---------------------------------------------------------------------------------- */

typedef struct edgeser_model edgeser_model;

/* Reads, checks and packs a bundle; takes tens of milliseconds. `path` is UTF-8. On success
 * `*model` is to be closed with edgeser_model_close(); otherwise it is NULL. */
EDGESER_API edgeser_status edgeser_model_open(const char* path, edgeser_model** model,
                                              edgeser_error* error);

/* The same from the bytes of a bundle, which are not needed afterwards. */
EDGESER_API edgeser_status edgeser_model_open_memory(const void* bytes, size_t size,
                                                     edgeser_model** model, edgeser_error* error);

/* NULL is allowed. */
EDGESER_API void edgeser_model_close(edgeser_model* model);

/* What the bundle says. Strings are UTF-8 and live as long as the model. */
EDGESER_API const char* edgeser_model_name(const edgeser_model* model);
EDGESER_API const char* edgeser_model_version(const edgeser_model* model);
EDGESER_API const char* edgeser_model_hash(const edgeser_model* model); /* 64 hex digits */
EDGESER_API const char* edgeser_model_licence(const edgeser_model* model);

/* Notices that the licence wants passed on with the model; NULL from `notice_count` on. */
EDGESER_API size_t edgeser_model_notice_count(const edgeser_model* model);
EDGESER_API const char* edgeser_model_notice(const edgeser_model* model, size_t index);

/* L, the number of emotions, and their names; NULL from L on. */
EDGESER_API size_t edgeser_model_label_count(const edgeser_model* model);
EDGESER_API const char* edgeser_model_label(const edgeser_model* model, size_t index);

/* The sound inside the model: Hz; samples in a segment; samples between the ends of two segments.
 */
EDGESER_API size_t edgeser_model_sample_rate(const edgeser_model* model);
EDGESER_API size_t edgeser_model_segment(const edgeser_model* model);
EDGESER_API size_t edgeser_model_hop(const edgeser_model* model);

/* The features of a segment: F deep features, and P latent vectors of width D. */
EDGESER_API size_t edgeser_model_deep_width(const edgeser_model* model);
EDGESER_API size_t edgeser_model_positions(const edgeser_model* model);
EDGESER_API size_t edgeser_model_code_width(const edgeser_model* model);

/* How many segments, the newest included, a result can depend on. */
EDGESER_API size_t edgeser_model_receptive_field(const edgeser_model* model);

/* The front end: an ONNX graph of `*size` bytes for a runtime of your choice. Inputs, float32:
 * segment (B, segment) in [-1, 1] and level (B), the running level in dBFS; outputs: deep (B, F),
 * latent (B, P, D), level_out (B), which is the next level. A stream's first level is
 * edgeser_model_level_initial(). The bytes are those that the bundle was made with (SHA-256); what
 * is in them is for the runtime to check. They live as long as the model. */
EDGESER_API const void* edgeser_model_front_end(const edgeser_model* model, size_t* size);
EDGESER_API float edgeser_model_level_initial(const edgeser_model* model);

/* The instruction set in use: "avx512", "avx2", "neon" or "plain". All give the same bits. */
EDGESER_API const char* edgeser_model_simd(const edgeser_model* model);

/* --- States ---------------------------------------------------------------------------------- */

/* What a stream remembers of its past: constant in size, a few hundred KiB. */
typedef struct edgeser_state edgeser_state;

/* A fresh one, to be closed with edgeser_state_close(); NULL in `*state` on failure. */
EDGESER_API edgeser_status edgeser_state_open(const edgeser_model* model, edgeser_state** state,
                                              edgeser_error* error);

/* NULL is allowed. */
EDGESER_API void edgeser_state_close(edgeser_state* state);

/* Forgets everything: what to do between utterances. */
EDGESER_API edgeser_status edgeser_state_reset(edgeser_state* state, edgeser_error* error);

/* How many steps it has taken since it was fresh. */
EDGESER_API edgeser_status edgeser_state_position(const edgeser_state* state, int64_t* position,
                                                  edgeser_error* error);

/* A state as bytes that can be kept or sent; on any machine, whatever its instruction set, it goes
 * on with the same bits. The number of bytes is the same for all states of a model; it is 0 for
 * NULL. Both check that `size` is that number. Loading also checks that the bytes are undamaged and
 * belong to this model; a state that is not loaded into stays as it was. */
EDGESER_API size_t edgeser_state_saved_size(const edgeser_state* state);
EDGESER_API edgeser_status edgeser_state_save(const edgeser_state* state, void* bytes, size_t size,
                                              edgeser_error* error);
EDGESER_API edgeser_status edgeser_state_load(edgeser_state* state, const void* bytes, size_t size,
                                              edgeser_error* error);

/* --- Steps ----------------------------------------------------------------------------------- */

/* Takes `count` streams on by one segment each; a stream that has none is left out of the batch.
 *
 *   states             (count)        different ones, all of `model`, each with its own past
 *   deep               (count, F)     finite
 *   latent             (count, P, D)  finite
 *   log_probabilities  (count, L)     out: natural logarithm of the probability of each emotion,
 *                                     given that somebody speaks
 *   speech             (count)        out: probability in [0, 1] that somebody speaks
 *
 * Arrays are row-major and without gaps. Either output may be NULL. Allocates a few KiB a stream
 * for as long as it runs, and uses about 280 KiB of stack. */
EDGESER_API edgeser_status edgeser_step(const edgeser_model* model, edgeser_state* const* states,
                                        size_t count, const float* deep, const float* latent,
                                        float* log_probabilities, float* speech,
                                        edgeser_error* error);

#define EDGESER_NO_LABEL (-1)

/* The index of the emotion that L log-probabilities and a speech probability stand for, by the
 * thresholds in the bundle; EDGESER_NO_LABEL where nobody speaks or the model is not sure enough,
 * and if a pointer is NULL. */
EDGESER_API int32_t edgeser_model_decide(const edgeser_model* model, const float* log_probabilities,
                                         float speech);

/* --- Streams --------------------------------------------------------------------------------- */

/* One microphone or speaker: sound of any rate in, frames out. It resamples, cuts segments, runs
 * the bundle's front end and takes the steps, and gives what the Python package gives for the same
 * sound, however it is cut into calls. It remembers a constant amount, about half a MiB. */
typedef struct edgeser_stream edgeser_stream;

/* What is known at one moment; one comes every edgeser_model_hop() samples of the model's rate. */
typedef struct edgeser_frame {
  double time;   /* seconds since the stream was fresh, of the last sample that was heard */
  float speech;  /* probability in [0, 1] that somebody speaks */
  float level;   /* running level of the sound, dBFS */
  int32_t label; /* index of the emotion, or EDGESER_NO_LABEL: see edgeser_model_decide() */
} edgeser_frame;

/* A fresh one for sound of `sample_rate` Hz, 8000 to 192000; to be closed with
 * edgeser_stream_close(); NULL in `*stream` on failure. EDGESER_BAD_BUNDLE if the bundle does not
 * tell its front end's layers: such a one needs an ONNX runtime and edgeser_step(). */
EDGESER_API edgeser_status edgeser_stream_open(const edgeser_model* model, size_t sample_rate,
                                               edgeser_stream** stream, edgeser_error* error);

/* NULL is allowed. */
EDGESER_API void edgeser_stream_close(edgeser_stream* stream);

/* Forgets everything: what to do between utterances. */
EDGESER_API edgeser_status edgeser_stream_reset(edgeser_stream* stream, edgeser_error* error);

/* More frames than this never come of so many samples; of a flush at most those of 0 samples. */
EDGESER_API size_t edgeser_stream_most_frames(const edgeser_stream* stream, size_t samples);

/* Takes `count` more samples, mono and in [-1, 1], any number of them.
 *
 *   frames             (room)     out: `*made` frames, oldest first, often none
 *   log_probabilities  (room, L)  out: of each of these, as for edgeser_step(); may be NULL
 *
 * Fails and takes nothing if there is room for fewer frames than come. Allocates while it runs. */
EDGESER_API edgeser_status edgeser_stream_process(edgeser_stream* stream, const float* samples,
                                                  size_t count, edgeser_frame* frames,
                                                  float* log_probabilities, size_t room,
                                                  size_t* made, edgeser_error* error);

/* The end of the sound: the frames of what it still holds, its last partial hop filled up with
 * zeros; then the stream is fresh. */
EDGESER_API edgeser_status edgeser_stream_flush(edgeser_stream* stream, edgeser_frame* frames,
                                                float* log_probabilities, size_t room, size_t* made,
                                                edgeser_error* error);

/* As edgeser_state_saved_size(), edgeser_state_save() and edgeser_state_load(): all that a stream
 * remembers. It goes on in any stream of the same model and rate. These bytes are not those of a
 * Python stream. */
EDGESER_API size_t edgeser_stream_saved_size(const edgeser_stream* stream);
EDGESER_API edgeser_status edgeser_stream_save(edgeser_stream* stream, void* bytes, size_t size,
                                               edgeser_error* error);
EDGESER_API edgeser_status edgeser_stream_load(edgeser_stream* stream, const void* bytes,
                                               size_t size, edgeser_error* error);

#ifdef __cplusplus
}
#endif

#endif /* EDGESER_H */
