/* Sound on stdin, a line on stdout for each frame in which somebody speaks.
 *
 *     ffmpeg -loglevel error -i talk.mp3 -f s16le -ac 1 -ar 16000 - | hear MODEL.edgeser 16000
 *
 * Samples are 16-bit, mono, in the machine's own byte order.
 */
#include <edgeser.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHUNK = 1600, MOST_FRAMES = 8 };

static int fail(const char* doing, edgeser_status status, const edgeser_error* error) {
  fprintf(stderr, "%s: %s (%s)\n", doing, error->message, edgeser_status_name(status));
  return EXIT_FAILURE;
}

static void tell(const edgeser_model* model, const edgeser_frame* frames, const float* logarithms,
                 size_t count) {
  const size_t labels = edgeser_model_label_count(model);
  for (size_t n = 0; n < count; ++n) {
    if (frames[n].label < 0) continue;
    const size_t label = (size_t)frames[n].label;
    const double sure = exp(logarithms[n * labels + label]);
    printf("%.3f %s %.3f\n", frames[n].time, edgeser_model_label(model, label), sure);
  }
  fflush(stdout);
}

/* Hears until stdin ends. */
static int run(const edgeser_model* model, edgeser_stream* stream, float* logarithms) {
  int16_t raw[CHUNK];
  float samples[CHUNK];
  edgeser_frame frames[MOST_FRAMES];
  edgeser_error error;
  size_t count, made;
  while ((count = fread(raw, sizeof *raw, CHUNK, stdin)) > 0) {
    for (size_t i = 0; i < count; ++i) samples[i] = (float)raw[i] / 32768.0f;
    const edgeser_status status = edgeser_stream_process(stream, samples, count, frames, logarithms,
                                                         MOST_FRAMES, &made, &error);
    if (status != EDGESER_OK) return fail("process", status, &error);
    tell(model, frames, logarithms, made);
  }
  const edgeser_status status =
      edgeser_stream_flush(stream, frames, logarithms, MOST_FRAMES, &made, &error);
  if (status != EDGESER_OK) return fail("flush", status, &error);
  tell(model, frames, logarithms, made);
  return EXIT_SUCCESS;
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: %s MODEL.edgeser RATE < samples.s16\n", argv[0]);
    return EXIT_FAILURE;
  }
  edgeser_model* model;
  edgeser_stream* stream;
  edgeser_error error;
  edgeser_status status = edgeser_model_open(argv[1], &model, &error);
  if (status != EDGESER_OK) return fail("model", status, &error);
  status = edgeser_stream_open(model, (size_t)strtoul(argv[2], NULL, 10), &stream, &error);
  const size_t labels = edgeser_model_label_count(model);
  float* logarithms = malloc(MOST_FRAMES * labels * sizeof *logarithms);
  int result = EXIT_FAILURE;
  if (status != EDGESER_OK) {
    fail("stream", status, &error);
  } else if (logarithms != NULL) {
    result = run(model, stream, logarithms);
  }
  free(logarithms);
  edgeser_stream_close(stream);
  edgeser_model_close(model);
  return result;
}
