#pragma once

#include <cstddef>

#include "matrix/matrix.hpp"

// What reading a segment needs to know, as plain data (see Matrix for why). All of it points into a
// FrontEnd.
namespace edgeser {

// Floats of stack that one segment's maps may take; a front end that needs more is refused.
constexpr std::size_t front_end_scratch = 64 * 1024;
// Floats that one map may have, border included: what it is quantised to in int8 is on the stack
// too.
constexpr std::size_t front_end_map = 32 * 1024;
// Segments that go through the head together: its weights are most of the front end's.
constexpr std::size_t front_end_head_rows = 4;

// A real Fourier transform of Hann-windowed frames at the even-spaced frequencies k / window, k =
// 1..window/2, folded twice. The window is symmetric, so a cosine sees x[n] + x[N-n] and a sine
// x[n] - x[N-n]; and n and N/2 - n have the same cosine up to a sign that only k's parity decides.
// What is left are four products of a quarter of the inputs with half of the frequencies.
struct SpectrogramPlan {
  std::size_t window;  // N, a multiple of 4
  std::size_t hop;
  std::size_t frames;
  std::size_t bins;     // N/2: 0 Hz is left out
  const float* hann;    // N/2 + 1 values, the second half being the mirror image
  Matrix even_cosines;  // N/4 + 1 -> N/4, for k = 2, 4, ...
  Matrix even_sines;    // N/4 + 1 -> N/4
  Matrix odd_cosines;   // N/4 + 1 -> N/4, for k = 1, 3, ...
  Matrix odd_sines;     // N/4 + 1 -> N/4
};

// The same at frequencies of any spacing, folded once about the middle of the window: power does
// not mind a shift of phase. Frames end where the segment ends.
struct HarmonicsPlan {
  std::size_t window;
  std::size_t hop;
  std::size_t frames;
  std::size_t bands;
  std::size_t start;  // samples before the first frame
  const float* hann;  // window/2 values from the middle outwards
  Matrix cosines;     // window/2 -> bands
  Matrix sines;       // window/2 -> bands
};

// The causal running level, in decibels: see LevelWeights in front_end.hpp.
struct LevelPlan {
  float rise, fall, fall_limit, headroom, quietest, dynamic_range, unset;
  std::size_t first_bin;  // counted from 0 Hz, at least 1
  std::size_t frames;     // the newest frames of the spectrogram, which are the hop
};

// A map of (height, width, channels) floats, channels fastest, inside a border of zeros for the
// convolution that reads it.
struct MapPlan {
  std::size_t height, width, channels;
  std::size_t origin;              // where it begins, after the border's first rows and columns
  std::size_t row_floats, floats;  // of a row and of the whole, border included
};

struct ConvolutionPlan {
  MapPlan input, output;
  Matrix weights;     // kernel_height * piece -> output.channels
  std::size_t piece;  // inputs a row of the kernel; in int8 filled up to whole quads with no weight
  std::size_t kernel_height, kernel_width, stride_height, stride_width;
  bool relu;
};

struct BodyPlan {
  const ConvolutionPlan* layers;
  std::size_t count;
};

struct FrontEndPlan {
  std::size_t segment;
  SpectrogramPlan spectrogram;
  HarmonicsPlan harmonics;
  LevelPlan level;
  MapPlan wide_view, narrow_view;  // without borders
  BodyPlan wide, narrow, encoder;
  std::size_t wide_features;    // floats that `wide` gives
  std::size_t narrow_features;  // the same for `narrow`; zero if there is none
  std::size_t latent_floats;    // the same for `encoder`
  Matrix head;                  // wide_features + narrow_features -> deep, then ReLU
};

}  // namespace edgeser
