#pragma once

namespace edgeser::simd {

// ln x for x >= 1, within 2 ulp; 88.7 (ln of the largest float) for infinity. Unlike the C
// library's logf, it is the same on all platforms.
//
// x = m 2^e with m in [sqrt(1/2), sqrt(2)); a polynomial gives ln m. ln 2 is split into two parts,
// so that the product of e and the first part is exact.
template <class S>
inline typename S::Vec log_from_one(typename S::Vec x) {
  using Vec = typename S::Vec;
  const auto constant = [](float value) { return S::broadcast(value); };

  Vec m = S::mantissa(x);  // in [1, 2)
  Vec e = S::exponent(x);
  const typename S::Mask upper = S::less(constant(1.41421356f), m);
  m = S::select(upper, S::mul(m, constant(0.5f)), m);
  e = S::select(upper, S::add(e, constant(1.0f)), e);

  const Vec r = S::sub(m, constant(1.0f));
  const Vec square = S::mul(r, r);
  Vec p = constant(7.0376836292e-2f);
  p = S::fma(p, r, constant(-1.1514610310e-1f));
  p = S::fma(p, r, constant(1.1676998740e-1f));
  p = S::fma(p, r, constant(-1.2420140846e-1f));
  p = S::fma(p, r, constant(1.4249322787e-1f));
  p = S::fma(p, r, constant(-1.6668057665e-1f));
  p = S::fma(p, r, constant(2.0000714765e-1f));
  p = S::fma(p, r, constant(-2.4999993993e-1f));
  p = S::fma(p, r, constant(3.3333331174e-1f));
  p = S::mul(p, S::mul(r, square));
  p = S::fma(e, constant(-2.12194440e-4f), p);
  p = S::fma(square, constant(-0.5f), p);
  return S::fma(e, constant(0.693359375f), S::add(r, p));
}

}  // namespace edgeser::simd
