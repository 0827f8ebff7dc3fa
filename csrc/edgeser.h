/* edgeser: streaming speech emotion recognition. The C API of libedgeser, for C99 and C++.
 *
 * Overview. A model is opened from a bundle (NAME.edgeser). A stream takes audio at any sample
 * rate and returns a frame every 128 ms: the emotion and its confidence. Optionally it also
 * returns utterances: when speech started and ended, and a verdict on it. C and Python share one
 * core: the same audio gives the same frames, and each can resume streams that the other saved.
 *
 * The library runs the front end with its own kernels, so the bundle must contain the layers of
 * its front end, as the default model does. Bundles with only an ONNX graph need the Python
 * package.
 *
 * Errors. Every function that can fail returns an edgeser_status. If `error` is not NULL, it
 * receives the reason and advice. The library does not print or exit, lets no C++ exception out,
 * and has no global error state. A call that fails changes nothing but `error`.
 *
 * Threads. A model is immutable: any number of threads may use it at once. A stream executes one
 * call at a time; a concurrent second call returns EDGESER_BUSY. The library starts no threads. It
 * takes a lock only while a stream is opened. The caller must not open or close the same handle in
 * two threads at once. A model may be closed before its streams.
 *
 * Memory. A stream allocates when it is opened. Calls that return at most ten frames do not
 * allocate; longer calls do, and free the memory before they return. All need up to 600 KiB of
 * stack.
 *
 * Versions. While the major version is 0, a minor version may change this interface; the name of
 * the shared library (soname) then changes. Bundles and saved streams have their own versions. */
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
  EDGESER_BAD_ARGUMENT = 1, /* a null pointer, invalid audio, too small an array, ... */
  EDGESER_BAD_BUNDLE = 2,   /* no file, a damaged one, or one that this library cannot run */
  EDGESER_BAD_STATE = 3,    /* a saved stream that is damaged, or belongs to another model */
  EDGESER_BUSY = 4,         /* another call is using the stream */
  EDGESER_OUT_OF_MEMORY = 5,
  EDGESER_INTERNAL = 6 /* none of these: a bug in edgeser */
} edgeser_status;

/* Set by a call that fails, cleared by one that succeeds. UTF-8, zero-terminated. A message that is
 * too long has "..." in the place of its middle. */
typedef struct edgeser_error {
  char message[512];
} edgeser_error;

/* "EDGESER_OK" and so on; "unknown" for any other number. */
EDGESER_API const char* edgeser_status_name(edgeser_status status);

/* The version of the library that is running, such as "0.1.0". */
EDGESER_API const char* edgeser_version(void);

/* --- Models ---------------------------------------------------------------------------------- */

typedef struct edgeser_model edgeser_model;

/* Reads, checks and packs a bundle; takes tens of milliseconds. `path` is UTF-8. On success, close
 * `*model` with edgeser_model_close(); on failure it is NULL. */
EDGESER_API edgeser_status edgeser_model_open(const char* path, edgeser_model** model,
                                              edgeser_error* error);

/* The same from the bytes of a bundle, which may be freed after the call. */
EDGESER_API edgeser_status edgeser_model_open_memory(const void* bytes, size_t size,
                                                     edgeser_model** model, edgeser_error* error);

/* NULL is allowed. */
EDGESER_API void edgeser_model_close(edgeser_model* model);

/* Metadata of the bundle. Strings are UTF-8 and valid until the model is closed. */
EDGESER_API const char* edgeser_model_name(const edgeser_model* model);
EDGESER_API const char* edgeser_model_version(const edgeser_model* model);
EDGESER_API const char* edgeser_model_hash(const edgeser_model* model); /* 64 hex digits */
EDGESER_API const char* edgeser_model_licence(const edgeser_model* model);

/* Notices that the licence requires to be distributed with the model; NULL for `index` >=
 * notice_count. */
EDGESER_API size_t edgeser_model_notice_count(const edgeser_model* model);
EDGESER_API const char* edgeser_model_notice(const edgeser_model* model, size_t index);

/* L, the number of emotions, and their names; NULL for `index` >= L. */
EDGESER_API size_t edgeser_model_label_count(const edgeser_model* model);
EDGESER_API const char* edgeser_model_label(const edgeser_model* model, size_t index);

/* Audio inside the model: sample rate in Hz; samples per segment; samples between the ends of two
 * segments. */
EDGESER_API size_t edgeser_model_sample_rate(const edgeser_model* model);
EDGESER_API size_t edgeser_model_segment(const edgeser_model* model);
EDGESER_API size_t edgeser_model_hop(const edgeser_model* model);

/* C, the width of a token, and of the statistics of the speaker. */
EDGESER_API size_t edgeser_model_width(const edgeser_model* model);

/* Number of segments, the newest included, that a result can depend on. */
EDGESER_API size_t edgeser_model_receptive_field(const edgeser_model* model);

/* The instruction set in use: "avx512_vnni", "avx512", "avx_vnni", "avx2", "neon_dotprod", "neon"
   or "plain". All give the same bits. */
EDGESER_API const char* edgeser_model_simd(const edgeser_model* model);

/* --- Streams --------------------------------------------------------------------------------- */

/* Optional speech detector that replaces the model's own speech score. `score` is called before
 * each frame with the newest hop of audio, `count` samples at the model's rate, and returns the
 * probability of speech, in [0, 1]. Frames and utterances use it; the model's own gate does not.
 * Its state is not saved. */
typedef struct edgeser_detector {
  double (*score)(void* user, const float* hop, size_t count);
  void* user;
} edgeser_detector;

/* Options of a stream. Initialise with edgeser_options_init(): later versions may add fields. */
typedef struct edgeser_options {
  int adapt;                /* learn the speaker: 1 yes, 0 no, -1 the bundle's default */
  double new_speaker_after; /* seconds without speech that reset the speaker; 0: never */

  int utterances; /* 1: return events of utterances, by the rules below */
  double speech; /* score in (0, 1) from which a frame is speech; 0: the bundle's, or `threshold` */
  double onset;  /* seconds of uninterrupted speech that start an utterance */
  double hangover; /* seconds of silence that end it */
  double longest;  /* seconds; longer utterances are split here */
  int reset;       /* 1: reset the state after each utterance, except the speaker */

  const edgeser_detector* detector; /* copied; NULL: the model's own score */
  double
      threshold; /* of the detector's score, below it a frame has no label; 0: `speech`, or 0.5 */

  int every_hop; /* 0: hops that sound like the silence before them are skipped */
} edgeser_options;

/* The defaults: -1; 0; 0, and 0, 0.25, 0.9, 30, 1; NULL, 0; 1. */
EDGESER_API void edgeser_options_init(edgeser_options* options);

/* One microphone or speaker. */
typedef struct edgeser_stream edgeser_stream;

#define EDGESER_NO_LABEL (-1)

/* The result of one hop. After digital silence, the next frame comes one hop after the first sample
 * that is not 0. */
typedef struct edgeser_frame {
  double time;      /* seconds, of the last sample of the hop */
  float confidence; /* the largest probability of an emotion */
  float speech;     /* speech score in [0, 1] */
  float level;      /* running level of the audio, dBFS; -200 in digital silence */
  int32_t label;    /* index of the emotion; EDGESER_NO_LABEL: nobody speaks, or not sure */
} edgeser_frame;

/* The result for an utterance, or for all audio since the last flush. */
typedef struct edgeser_verdict {
  double duration;  /* seconds of audio */
  double speech;    /* seconds of speech in it */
  float confidence; /* the largest probability of an emotion; 0 without speech */
  int32_t label;    /* as in a frame */
} edgeser_verdict;

enum { EDGESER_STARTED = 0, EDGESER_ENDED = 1 }; /* edgeser_event.kind */
enum {
  EDGESER_BY_SILENCE = 0,
  EDGESER_BY_LENGTH = 1,
  EDGESER_BY_FLUSH = 2
}; /* edgeser_event.why */

typedef struct edgeser_event {
  int32_t kind;      /* an utterance started, `onset` ago, or ended */
  int32_t why;       /* reason of the end */
  size_t frame;      /* number of frames of this call before the event */
  double start, end; /* seconds; `end` is the end of its last speech so far */
  int64_t frames;    /* started: how many of the newest frames belong to it; ended: its length */
  edgeser_verdict verdict; /* if it ended */
} edgeser_event;

/* Output arrays, supplied by the caller, and the number of elements that the call has written. */
typedef struct edgeser_results {
  edgeser_frame* frames; /* (frame_room) */
  float* probabilities;  /* (frame_room, L): of each emotion, given that somebody speaks; or NULL */
  size_t frame_room;
  size_t frame_count;         /* out */
  edgeser_event* events;      /* (event_room); may be NULL if event_room is 0 */
  float* event_probabilities; /* (event_room, L), of utterances that ended; or NULL */
  size_t event_room;
  size_t event_count; /* out */
} edgeser_results;

/* Opens a stream for audio of `sample_rate` Hz, 8000 to 192000. Close it with
 * edgeser_stream_close(); on failure `*stream` is NULL. NULL options are the defaults. */
EDGESER_API edgeser_status edgeser_stream_open(const edgeser_model* model, size_t sample_rate,
                                               const edgeser_options* options,
                                               edgeser_stream** stream, edgeser_error* error);

/* NULL is allowed. */
EDGESER_API void edgeser_stream_close(edgeser_stream* stream);

/* Processes the next `count` samples of `channels` channels (1 to 32, interleaved, averaged),
 * float32 in [-1, 1] or 16-bit. The bits of the results do not depend on how audio is cut into
 * calls. Fails and consumes nothing if the arrays are too small: edgeser_stream_most_frames()
 * frames, and one more event than that, are always enough. */
EDGESER_API edgeser_status edgeser_stream_process(edgeser_stream* stream, const float* samples,
                                                  size_t count, size_t channels,
                                                  edgeser_results* results, edgeser_error* error);
EDGESER_API edgeser_status edgeser_stream_process_int16(edgeser_stream* stream,
                                                        const int16_t* samples, size_t count,
                                                        size_t channels, edgeser_results* results,
                                                        edgeser_error* error);

/* Ends the audio: processes the rest, the last partial hop padded with zeros, and returns the
 * verdict on all audio since the last flush or reset. `verdict` and its `probabilities` (L) may
 * each be NULL. Afterwards the stream is fresh, but keeps the statistics of its speaker. */
EDGESER_API edgeser_status edgeser_stream_flush(edgeser_stream* stream, edgeser_results* results,
                                                edgeser_verdict* verdict, float* probabilities,
                                                edgeser_error* error);

/* Upper bound on the number of frames that `samples` samples return; 0 samples: a flush. */
EDGESER_API size_t edgeser_stream_most_frames(const edgeser_stream* stream, size_t samples);

/* Minimum number of further samples before the next frame. Waiting for these samples before the
 * next call delays no result. */
EDGESER_API size_t edgeser_stream_until_frame(const edgeser_stream* stream);

/* Seconds of audio since the last flush or reset; 1 during an utterance, else 0. */
EDGESER_API double edgeser_stream_position(const edgeser_stream* stream);
EDGESER_API int edgeser_stream_speaking(const edgeser_stream* stream);

/* Skips time, for lost audio: all later results are timed so much later. */
EDGESER_API edgeser_status edgeser_stream_skip(edgeser_stream* stream, double seconds,
                                               edgeser_error* error);

/* Resets the whole state, the speaker included. */
EDGESER_API edgeser_status edgeser_stream_reset(edgeser_stream* stream, edgeser_error* error);

/* --- Speakers -------------------------------------------------------------------------------- */

/* Neutral speech differs between voices. A stream updates the statistics of its speaker in each
 * pause, unless `adapt` is 0. */

/* Replaces the statistics by those of neutral speech, at least one second of it. These samples are
 * not part of the stream's audio. */
EDGESER_API edgeser_status edgeser_stream_calibrate(edgeser_stream* stream, const float* samples,
                                                    size_t count, size_t channels,
                                                    edgeser_error* error);

/* Resets the statistics, because somebody else speaks from now on. */
EDGESER_API edgeser_status edgeser_stream_new_speaker(edgeser_stream* stream, edgeser_error* error);

/* The statistics: the number of utterances, their weight in [0, 1], and the shift (C) that is
 * subtracted from tokens. Each of the three may be NULL. */
EDGESER_API edgeser_status edgeser_stream_speaker(edgeser_stream* stream, float* utterances,
                                                  float* weight, float* shift,
                                                  edgeser_error* error);

/* --- Saved streams --------------------------------------------------------------------------- */

/* Saves the state and the options of a stream, except a detector, as bytes. It can be resumed
 * bit-identically on any machine, in C and in Python. The size is constant; 0 for NULL. */
EDGESER_API size_t edgeser_stream_saved_size(const edgeser_stream* stream);
EDGESER_API edgeser_status edgeser_stream_save(edgeser_stream* stream, void* bytes, size_t size,
                                               edgeser_error* error);

/* Opens a stream that continues from the saved state. Checks that the bytes are undamaged and
 * belong to this model. The state may have been saved by Python in float32 or bfloat16, on a CPU or
 * a GPU, but not in int8. `detector` may be NULL. */
EDGESER_API edgeser_status edgeser_stream_resume(const edgeser_model* model, const void* bytes,
                                                 size_t size, const edgeser_detector* detector,
                                                 edgeser_stream** stream, edgeser_error* error);

#ifdef __cplusplus
}
#endif

#endif /* EDGESER_H */
