#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "front_end/plan.hpp"
#include "front_end/spectrogram.hpp"
#include "matrix/packed_matrix.hpp"
#include "simd/level.hpp"

namespace edgeser {

// One convolution. Weights are (kernel_height, kernel_width, inputs, outputs), row-major.
struct ConvolutionWeights {
  std::size_t kernel_height, kernel_width, inputs, outputs;
  std::size_t stride_height, stride_width, padding_height, padding_width;
  bool relu;
  const float* weights;
  const float* bias;  // (outputs)
};

// Constants of the running level, in decibels, and in shares per hop.
struct LevelWeights {
  float rise = 0.5f;          // share of the distance to a louder hop
  float fall = 0.005f;        // share of the distance to a softer hop
  float fall_limit = 30;      // a softer hop counts as at most this far below
  float headroom = 10;        // the level is at most this far below the current hop
  float quietest = -140;      // the lowest level, dBFS
  float dynamic_range = 50;   // the floor is this far below the level
  float unset = -1000;        // the level at the start of a stream
  std::size_t first_bin = 2;  // bins of the spectrogram below it are ignored
};

struct FrontEndWeights {
  std::size_t segment;      // samples
  std::size_t hop;          // samples between two segments
  std::size_t sample_rate;  // Hz
  std::size_t spectrogram_window, spectrogram_hop;
  std::size_t harmonics_window, harmonics_hop, harmonics_bands;
  double harmonics_lowest;  // Hz
  double harmonics_bands_an_octave;
  LevelWeights level;
  std::vector<ConvolutionWeights> wide;    // spectrogram (frames, window / 2, 1) to features
  std::vector<ConvolutionWeights> narrow;  // harmonics (frames, bands, 1) to features; may be empty
  std::vector<ConvolutionWeights> encoder;  // spectrogram to (P, D); P counts rows first
  std::size_t deep;                         // F
  std::size_t head_inputs;                  // wide's features, then narrow's, each channels fastest
  const float* head_weight;                 // (head_inputs, F)
  const float* head_bias;                   // (F)
};

// The stateless part of the model: from a segment and a running level to deep and latent features.
// Immutable; may be used from any number of threads at once.
class FrontEnd {
 public:
  // Copies what it needs. The network's matrices are packed in `precision`, the Fourier transforms
  // in float32. Throws Error for sizes that are inconsistent or out of range.
  FrontEnd(const Level& level, const FrontEndWeights& weights,
           Precision precision = Precision::float32);
  FrontEnd(const FrontEnd&) = delete;
  FrontEnd& operator=(const FrontEnd&) = delete;

  std::size_t segment() const { return plan_.segment; }
  std::size_t deep() const { return plan_.head.outputs; }
  std::size_t positions() const { return positions_; }
  std::size_t code_width() const { return plan_.latent_floats / positions_; }
  const Level& level() const { return level_; }
  Precision precision() const { return precision_; }

  // segments (rows, segment), levels (rows) -> deep (rows, F), latent (rows, P, D), levels_out
  // (rows), which may be `levels`. Never throws, allocates or locks; uses up to 400 KiB of stack.
  void read(const float* segments, const float* levels, std::size_t rows, float* deep,
            float* latent, float* levels_out) const noexcept {
    read_(plan_, segments, levels, rows, deep, latent, levels_out);
  }

 private:
  Matrix pack(const std::vector<float>& weights, std::size_t inputs, std::size_t outputs,
              const float* bias = nullptr, Precision precision = Precision::float32);
  const float* keep(std::vector<float> values);
  void plan_harmonics(const FrontEndWeights& weights);
  BodyPlan plan_body(const std::string& name, const std::vector<ConvolutionWeights>& weights,
                     std::size_t height, std::size_t width);
  void check_scratch() const;

  const Level& level_;
  Precision precision_;
  FrontEndRead* read_;
  std::optional<Spectrogram> spectrogram_;
  std::vector<PackedMatrix> matrices_;
  std::vector<std::vector<float>> tables_;
  std::vector<std::vector<ConvolutionPlan>> bodies_;
  FrontEndPlan plan_{};
  std::size_t positions_ = 0;
};

}  // namespace edgeser
