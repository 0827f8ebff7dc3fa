#pragma once

#include <cstddef>

#include "matrix/matrix.hpp"

// The parameters of the front end, as plain data (see Matrix for the reason). Points into a
// FrontEnd.
namespace edgeser {

// Limit of stack floats for the maps of one segment; larger front ends are refused.
constexpr std::size_t front_end_scratch = 64 * 1024;
// Limit of floats in one map, border included, since its quantised form in int8 is on the stack,
// too.
constexpr std::size_t front_end_map = 32 * 1024;
// Segments that share a pass of the head, which has most of the front end's weights.
constexpr std::size_t front_end_head_rows = 4;

// A real Fourier transform of Hann-windowed frames at the frequencies k / window, k = 1..window/2,
// folded twice. The window is symmetric, so cosines need only x[n] + x[N-n], and sines x[n] -
// x[N-n]. Also, n and N/2 - n have the same cosine up to a sign that depends only on the parity of
// k. This leaves four products of a quarter of the inputs with half of the frequencies.
struct SpectrogramPlan {
  std::size_t window;  // N, a multiple of 4
  std::size_t hop;
  std::size_t frames;
  std::size_t bins;     // N/2: 0 Hz is left out
  const float* hann;    // N/2 + 1 values; the second half is the mirror image
  Matrix even_cosines;  // N/4 + 1 -> N/4, for k = 2, 4, ...
  Matrix even_sines;    // N/4 + 1 -> N/4
  Matrix odd_cosines;   // N/4 + 1 -> N/4, for k = 1, 3, ...
  Matrix odd_sines;     // N/4 + 1 -> N/4
};

// The same at arbitrary frequencies, folded once at the middle of the window, since power does not
// depend on phase. Frames end where the segment ends.
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
  std::size_t frames;     // number of newest frames of the spectrogram that form the hop
};

// A map of (height, width, channels) floats, channels fastest, inside a border of zeros that the
// next convolution needs.
struct MapPlan {
  std::size_t height, width, channels;
  std::size_t origin;  // offset of its first value, after the border's first rows and columns
  std::size_t row_floats, floats;  // per row, and in total, border included
};

struct ConvolutionPlan {
  MapPlan input, output;
  Matrix weights;     // kernel_height * piece -> output.channels
  std::size_t piece;  // inputs per row of the kernel; in int8 padded to whole quads
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
  std::size_t wide_features;    // floats in the output of `wide`
  std::size_t narrow_features;  // floats in the output of `narrow`; zero if there is none
  std::size_t latent_floats;    // floats in the output of `encoder`
  Matrix head;                  // wide_features + narrow_features -> deep, then ReLU
};

}  // namespace edgeser
