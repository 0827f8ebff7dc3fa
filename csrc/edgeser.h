/* edgeser: streaming speech emotion recognition. The C API of libedgeser: C99 and C++.
 *
 * What it does. A model is opened from a bundle (NAME.edgeser). A stream takes sound of any rate
 * and gives frames: which emotion, how sure, every 128 ms; and if asked, utterances: where somebody
 * began to speak and stopped, and what that was. It is the stream that the Python package has: the
 * same sound gives the same frames, and either goes on with what the other saved.
 *
 * It runs the front end by kernels of its own, so the bundle must tell the layers of its front end,
 * as the bundled one does. Bundles that have an ONNX graph alone are for the Python package.
 *
 * Errors. Whatever can fail returns an edgeser_status, and if `error` is not NULL writes there what
 * was wrong and what to do. Nothing is printed, nothing exits, no C++ exception comes out, no
 * global remembers anything. A call that failed has changed nothing but `error`.
 *
 * Threads. A model is immutable: any number of threads may use it at once. A stream belongs to one
 * call at a time; a second one gets EDGESER_BUSY, never wrong numbers. The library has no threads;
 * it takes a lock while a stream is opened, and none afterwards. Opening and closing the same
 * handle in two threads is the caller's to prevent; a model may be closed before its streams.
 *
 * Memory. A stream allocates when it is opened. Calls that bring no more than ten frames allocate
 * nothing; longer ones do, and give it back. All need up to 600 KiB of stack.
 *
 * Versions. While the major version is 0, a minor version may change this interface; its shared
 * library then has another name (soname). Bundles and saved streams carry versions of their own.
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
  EDGESER_BAD_ARGUMENT = 1, /* a null pointer, sound that cannot be used, too little room, ... */
  EDGESER_BAD_BUNDLE = 2,   /* no file, a damaged one, or one that this library cannot run */
  EDGESER_BAD_STATE = 3,    /* a saved stream that is damaged, or belongs to another model */
  EDGESER_BUSY = 4,         /* another call is in the stream */
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

/* C, the width of a token, in which a speaker is described. */
EDGESER_API size_t edgeser_model_width(const edgeser_model* model);

/* How many segments, the newest included, a result can depend on. */
EDGESER_API size_t edgeser_model_receptive_field(const edgeser_model* model);

/* The instruction set in use: "avx512_vnni", "avx512", "avx_vnni", "avx2", "neon_dotprod", "neon"
   or "plain". All give the same bits. */
EDGESER_API const char* edgeser_model_simd(const edgeser_model* model);

/* --- Streams --------------------------------------------------------------------------------- */

/* Another speech score in the place of the model's own: called with the newest hop of sound,
 * `count` samples at the model's rate, before each frame; returns how sure it is, in [0, 1], that
 * they hold speech. Frames and utterances go by it; what the model listens to does not. What it
 * remembers is not saved. */
typedef struct edgeser_detector {
  double (*score)(void* user, const float* hop, size_t count);
  void* user;
} edgeser_detector;

/* How a stream is to be. Begin with edgeser_options_init(), for later versions may add fields. */
typedef struct edgeser_options {
  int adapt;                /* whether it learns the speaker: 1, 0; -1 for what the bundle says */
  double new_speaker_after; /* seconds without speech, then the speaker is forgotten; 0: never */

  int utterances;  /* 1: events of utterances, by the rules below */
  double speech;   /* score in (0, 1) at which a frame is speech; 0: the bundle's, or `threshold` */
  double onset;    /* seconds; so much speech without a gap begins an utterance */
  double hangover; /* seconds; so much silence ends it */
  double longest;  /* seconds; it is ended here even if nobody pauses */
  int reset;       /* 1: each utterance is judged by itself */

  const edgeser_detector* detector; /* copied; NULL: the model's own score */
  double
      threshold; /* of the detector's score, below it a frame has no label; 0: `speech`, or 0.5 */

  int every_hop; /* 0: hops that sound like the quiet before them are quiet, and not heard */
} edgeser_options;

/* The defaults: -1; 0; 0, and 0, 0.25, 0.9, 30, 1; NULL, 0; 1. */
EDGESER_API void edgeser_options_init(edgeser_options* options);

/* One microphone or speaker. */
typedef struct edgeser_stream edgeser_stream;

#define EDGESER_NO_LABEL (-1)

/* What is known at one moment; one comes every hop. Where digital silence ends, the next comes a
 * hop after the first sample that is not 0. */
typedef struct edgeser_frame {
  double time;      /* seconds, of the last sample that was heard */
  float confidence; /* the largest probability of an emotion */
  float speech;     /* score in [0, 1]: does somebody speak? */
  float level;      /* running level of the sound, dBFS; -200 in digital silence */
  int32_t label;    /* index of the emotion; EDGESER_NO_LABEL: nobody speaks, or not sure */
} edgeser_frame;

/* What an utterance was, or all sound since the last flush. */
typedef struct edgeser_verdict {
  double duration;  /* seconds of sound */
  double speech;    /* seconds of it in which somebody spoke */
  float confidence; /* the largest probability of an emotion; 0 if nobody spoke */
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
  int32_t why;       /* it ended */
  size_t frame;      /* how many frames of this call came before */
  double start, end; /* seconds; `end` is of its last speech, or so far */
  int64_t frames;    /* started: so many of the newest frames are its first; ended: its length */
  edgeser_verdict verdict; /* of one that ended */
} edgeser_event;

/* Where a call's results go: arrays of the caller's, and how much of them the call has filled. */
typedef struct edgeser_results {
  edgeser_frame* frames; /* (frame_room) */
  float* probabilities;  /* (frame_room, L): of each emotion, given that somebody speaks; or NULL */
  size_t frame_room;
  size_t frame_count;         /* out */
  edgeser_event* events;      /* (event_room); may be NULL if there is no room */
  float* event_probabilities; /* (event_room, L), of utterances that ended; or NULL */
  size_t event_room;
  size_t event_count; /* out */
} edgeser_results;

/* A fresh one for sound of `sample_rate` Hz, 8000 to 192000; to be closed with
 * edgeser_stream_close(); NULL in `*stream` on failure. NULL options are the defaults. */
EDGESER_API edgeser_status edgeser_stream_open(const edgeser_model* model, size_t sample_rate,
                                               const edgeser_options* options,
                                               edgeser_stream** stream, edgeser_error* error);

/* NULL is allowed. */
EDGESER_API void edgeser_stream_close(edgeser_stream* stream);

/* Takes `count` more samples of `channels` channels (1 to 32, interleaved, averaged), float32 in
 * [-1, 1] or 16-bit. However the sound is cut into calls, the results are the same bits. Fails and
 * takes nothing if there is less room than results: edgeser_stream_most_frames() is enough, and as
 * many events and one more. */
EDGESER_API edgeser_status edgeser_stream_process(edgeser_stream* stream, const float* samples,
                                                  size_t count, size_t channels,
                                                  edgeser_results* results, edgeser_error* error);
EDGESER_API edgeser_status edgeser_stream_process_int16(edgeser_stream* stream,
                                                        const int16_t* samples, size_t count,
                                                        size_t channels, edgeser_results* results,
                                                        edgeser_error* error);

/* The end of the sound: what the stream still holds, its last partial hop filled up with zeros;
 * then the verdict on all since the last flush or reset. Either of `verdict` and its
 * `probabilities` (L) may be NULL. The stream is fresh afterwards, but knows its speaker. */
EDGESER_API edgeser_status edgeser_stream_flush(edgeser_stream* stream, edgeser_results* results,
                                                edgeser_verdict* verdict, float* probabilities,
                                                edgeser_error* error);

/* More frames than this never come of so many samples; of a flush at most those of 0 samples. */
EDGESER_API size_t edgeser_stream_most_frames(const edgeser_stream* stream, size_t samples);

/* So many samples, at least, must still come before the next frame can: who hands sound on in
 * larger pieces makes nothing late by waiting for them. */
EDGESER_API size_t edgeser_stream_until_frame(const edgeser_stream* stream);

/* Seconds of sound since the last flush or reset; 1 while an utterance goes on. */
EDGESER_API double edgeser_stream_position(const edgeser_stream* stream);
EDGESER_API int edgeser_stream_speaking(const edgeser_stream* stream);

/* Time passes unheard, as where sound was lost: what follows is timed so much later. */
EDGESER_API edgeser_status edgeser_stream_skip(edgeser_stream* stream, double seconds,
                                               edgeser_error* error);

/* Forgets everything. */
EDGESER_API edgeser_status edgeser_stream_reset(edgeser_stream* stream, edgeser_error* error);

/* --- Speakers -------------------------------------------------------------------------------- */

/* What is neutral differs from voice to voice. A stream learns its speaker's from pause to pause,
 * unless `adapt` is 0. */

/* Learns it from neutral speech, at least one second of it, apart from the stream's sound. */
EDGESER_API edgeser_status edgeser_stream_calibrate(edgeser_stream* stream, const float* samples,
                                                    size_t count, size_t channels,
                                                    edgeser_error* error);

/* Somebody else speaks from here on: forgets the speaker. */
EDGESER_API edgeser_status edgeser_stream_new_speaker(edgeser_stream* stream, edgeser_error* error);

/* What was learned: from how many utterances, with what weight in [0, 1], and the shift (C) that
 * tokens are moved by. Any of the three may be NULL. */
EDGESER_API edgeser_status edgeser_stream_speaker(edgeser_stream* stream, float* utterances,
                                                  float* weight, float* shift,
                                                  edgeser_error* error);

/* --- Saved streams --------------------------------------------------------------------------- */

/* All that a stream remembers and was opened with, but a detector, as bytes that can be kept or
 * sent. It goes on with the same bits on any machine, in C and in Python. Their number never
 * changes; 0 for NULL. */
EDGESER_API size_t edgeser_stream_saved_size(const edgeser_stream* stream);
EDGESER_API edgeser_status edgeser_stream_save(edgeser_stream* stream, void* bytes, size_t size,
                                               edgeser_error* error);

/* A stream that goes on where the saved one was; to be closed as others. Checks that the bytes are
 * undamaged and belong to this model. `detector` may be NULL. */
EDGESER_API edgeser_status edgeser_stream_resume(const edgeser_model* model, const void* bytes,
                                                 size_t size, const edgeser_detector* detector,
                                                 edgeser_stream** stream, edgeser_error* error);

#ifdef __cplusplus
}
#endif

#endif /* EDGESER_H */
