#pragma once

namespace edgeser::simd {

// e^x for x <= 0, within 2 ulp; constant e^-87 (1.6e-38) below -87, which is as good as zero in a
// softmax. Unlike the C library's expf, it is the same on all platforms.
//
// x = n ln 2 + r with |r| <= ln(2)/2: a polynomial gives e^r, and n goes into the exponent field.
// Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits, without a
// conversion.
template <class S>
inline typename S::Vec exp_nonpositive(typename S::Vec x) {
  using Vec = typename S::Vec;
  const auto constant = [](float value) { return S::broadcast(value); };

  x = S::max(constant(-87.0f), x);
  const Vec magic = constant(12582912.0f);
  const Vec biased = S::fma(x, constant(1.44269504f), magic);
  const Vec n = S::sub(biased, magic);
  const Vec r = S::fma(n, constant(2.12194440e-4f), S::fma(n, constant(-0.693359375f), x));

  Vec p = constant(1.9875691500e-4f);
  p = S::fma(p, r, constant(1.3981999507e-3f));
  p = S::fma(p, r, constant(8.3334519073e-3f));
  p = S::fma(p, r, constant(4.1665795894e-2f));
  p = S::fma(p, r, constant(1.6666665459e-1f));
  p = S::fma(p, r, constant(5.0000001201e-1f));
  p = S::fma(p, S::mul(r, r), S::add(r, constant(1.0f)));
  return S::add_exponent(p, biased);
}

}  // namespace edgeser::simd
