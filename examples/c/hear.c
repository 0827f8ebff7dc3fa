/* Sound on stdin; on stdout a line for each frame in which somebody speaks, and for each utterance.
 *
 *     ffmpeg -loglevel error -i talk.mp3 -f s16le -ac 1 -ar 16000 - | hear MODEL.edgeser 16000
 *
 * Samples are 16-bit, mono, in the machine's own byte order.
 */
#include <edgeser.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHUNK = 1600, MOST_FRAMES = 8 };

static int fail(const char* doing, edgeser_status status, const edgeser_error* error) {
  fprintf(stderr, "%s: %s (%s)\n", doing, error->message, edgeser_status_name(status));
  return EXIT_FAILURE;
}

static const char* name_of(const edgeser_model* model, int32_t label) {
  return label < 0 ? "-" : edgeser_model_label(model, (size_t)label);
}

static void tell(const edgeser_model* model, const edgeser_results* results) {
  for (size_t n = 0; n < results->frame_count; ++n) {
    const edgeser_frame* frame = &results->frames[n];
    if (frame->label < 0) continue;
    printf("%.3f %s %.3f\n", frame->time, name_of(model, frame->label), frame->confidence);
  }
  for (size_t n = 0; n < results->event_count; ++n) {
    const edgeser_event* event = &results->events[n];
    if (event->kind != EDGESER_ENDED) continue;
    printf("utterance %.3f %.3f %s\n", event->start, event->end,
           name_of(model, event->verdict.label));
  }
  fflush(stdout);
}

/* Hears until stdin ends. */
static int run(const edgeser_model* model, edgeser_stream* stream) {
  int16_t samples[CHUNK];
  edgeser_frame frames[MOST_FRAMES];
  edgeser_event events[MOST_FRAMES + 1];
  edgeser_results results = {
      .frames = frames, .frame_room = MOST_FRAMES, .events = events, .event_room = MOST_FRAMES + 1};
  edgeser_error error;
  size_t count;
  while ((count = fread(samples, sizeof *samples, CHUNK, stdin)) > 0) {
    const edgeser_status status =
        edgeser_stream_process_int16(stream, samples, count, 1, &results, &error);
    if (status != EDGESER_OK) return fail("process", status, &error);
    tell(model, &results);
  }
  const edgeser_status status = edgeser_stream_flush(stream, &results, NULL, NULL, &error);
  if (status != EDGESER_OK) return fail("flush", status, &error);
  tell(model, &results);
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
  edgeser_options options;
  edgeser_options_init(&options);
  options.utterances = 1;
  status =
      edgeser_stream_open(model, (size_t)strtoul(argv[2], NULL, 10), &options, &stream, &error);
  const int result = status == EDGESER_OK ? run(model, stream) : fail("stream", status, &error);
  edgeser_stream_close(stream);
  edgeser_model_close(model);
  return result;
}
