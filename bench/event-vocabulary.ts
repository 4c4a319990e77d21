/** The words of generated events. Their order matters: it is part of what a seed gives. */

/** Most frequent first; Zipf-distributed. */
export const EVENT_NAMES = [
  'Product Viewed',
  'Product List Viewed',
  'Product Clicked',
  'Product Added',
  'Products Searched',
  'Cart Viewed',
  'Checkout Started',
  'Order Completed',
  'Product Removed',
  'Coupon Applied',
  'Promotion Clicked',
  'Wishlist Product Added',
  'Email Opened',
  'Video Playback Started',
  'Product Reviewed',
  'Support Requested',
] as const;

export const PAGES = ['/', '/men', '/women', '/sale', '/cart', '/account', '/help'] as const;

export const SCREENS = ['Home', 'Category', 'Product', 'Cart', 'Profile', 'Settings'] as const;

export const PLANS = ['free', 'starter', 'pro', 'enterprise'] as const;

export const CITIES = ['Köln', 'Lyon', 'München', 'Kraków', 'São Paulo', 'Wien', '東京'] as const;

export const LOCALES = ['de-DE', 'fr-FR', 'en-GB', 'pl-PL', 'pt-BR', 'de-AT', 'ja-JP'] as const;

export const LIBRARIES = [
  { name: 'analytics.js', version: '2.11.1' },
  { name: 'analytics-node', version: '3.1.0' },
  { name: 'analytics-ios', version: '4.1.8' },
  { name: 'analytics-android', version: '4.11.3' },
] as const;

export const USER_AGENTS = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/141',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X)',
  'Mozilla/5.0 (Linux; Android 15; Pixel 9) Chrome/141',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605',
  'Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Firefox/143',
] as const;
