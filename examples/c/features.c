/* Features of segments on stdin, one line of probabilities for each on stdout.
 *
 *     features MODEL.edgeser < features.f32
 *
 * A segment is F deep features, then P x D latent values, all float32. The bundle's own front end
 * makes them (edgeser_model_front_end); here they come from whoever is at the other end of the
 * pipe.
 */
#include <edgeser.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int fail(const char* doing, edgeser_status status, const edgeser_error* error) {
  fprintf(stderr, "%s: %s (%s)\n", doing, error->message, edgeser_status_name(status));
  return EXIT_FAILURE;
}

/* Steps one stream until stdin ends. */
static int run(const edgeser_model* model, edgeser_state* state) {
  const size_t labels = edgeser_model_label_count(model);
  const size_t deep = edgeser_model_deep_width(model);
  const size_t latent = edgeser_model_positions(model) * edgeser_model_code_width(model);
  const double hop = (double)edgeser_model_hop(model) / (double)edgeser_model_sample_rate(model);
  float* segment = malloc((deep + latent) * sizeof *segment);
  float* log_probabilities = malloc(labels * sizeof *log_probabilities);
  int result = segment && log_probabilities ? EXIT_SUCCESS : EXIT_FAILURE;

  for (size_t n = 1; result == EXIT_SUCCESS; ++n) {
    if (fread(segment, sizeof *segment, deep + latent, stdin) != deep + latent) break;
    float speech;
    edgeser_error error;
    const edgeser_status status =
        edgeser_step(model, &state, 1, segment, segment + deep, log_probabilities, &speech, &error);
    if (status != EDGESER_OK) {
      result = fail("step", status, &error);
      break;
    }
    const int32_t label = edgeser_model_decide(model, log_probabilities, speech);
    printf("%.3f %s", (double)n * hop, label < 0 ? "-" : edgeser_model_label(model, (size_t)label));
    for (size_t i = 0; i < labels; ++i) printf(" %.6f", exp(log_probabilities[i]));
    printf(" %.6f\n", speech);
  }
  free(log_probabilities);
  free(segment);
  return result;
}

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s MODEL.edgeser < features.f32\n", argv[0]);
    return EXIT_FAILURE;
  }
  edgeser_model* model;
  edgeser_state* state;
  edgeser_error error;
  edgeser_status status = edgeser_model_open(argv[1], &model, &error);
  if (status != EDGESER_OK) return fail("model", status, &error);
  status = edgeser_state_open(model, &state, &error);
  const int result = status == EDGESER_OK ? run(model, state) : fail("state", status, &error);
  edgeser_state_close(state);
  edgeser_model_close(model);
  return result;
}
