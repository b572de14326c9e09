"""The formats that may be opened, by the names that FFmpeg gives to its demuxers. Data only."""

from __future__ import annotations

from typing import Final

__all__ = ["DEMUXERS", "IMAGE_SUFFIXES", "SUBTITLE_DEMUXERS"]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# Containers and elementary streams that hold all of their media themselves. Left out on purpose: playlists
# and whatever names other files or hosts (hls, dash, concat, imf, sdp, rtp, rtsp, vobsub,
# webm_dash_manifest), devices and generators (lavfi), scripts (avisynth, vapoursynth), text drawn as video
# (tty), games. image2 is not among them: it reads whatever its name's pattern fits.
DEMUXERS: Final = _words(
    """
    mov mp4 m4a 3gp 3g2 mj2 matroska webm mpegts mpeg mxf avi asf flv live_flv ogg nut gxf lxf dv ivf r3d cine
    mlv wtv rm h264 hevc h261 h263 m4v mpegvideo mjpeg mjpeg_2000 vc1 vc1test av1 obu vvc evc apv dnxhd
    cavsvideo dirac yuv4mpegpipe ser
    wav w64 aiff caf flac mp3 aac ac3 eac3 ac4 dts dtshd truehd mlp amr ape wv tta tak au dsf iff loas latm
    gsm mpc mpc8 shn voc oma codec2 iamf sox
    gif apng webp_anim jpegxl_anim
    bmp_pipe cri_pipe dds_pipe dpx_pipe exr_pipe gem_pipe hdr_pipe j2k_pipe jpeg_pipe jpegls_pipe jpegxl_pipe
    jpegxs_pipe pam_pipe pbm_pipe pcx_pipe pfm_pipe pgm_pipe pgmyuv_pipe pgx_pipe phm_pipe photocd_pipe
    pictor_pipe png_pipe ppm_pipe psd_pipe qoi_pipe sgi_pipe sunrast_pipe tiff_pipe webp_pipe xbm_pipe
    xpm_pipe xwd_pipe
    """
)

# Captions beside a clip: text only, and text cannot name a file in these formats.
SUBTITLE_DEMUXERS: Final = _words("srt ass webvtt scc mcc stl sami subviewer microdvd jacosub ttml")

# Pictures whose demuxer goes by the name: opened as one literal file, never as a pattern.
IMAGE_SUFFIXES: Final = frozenset(
    _words(
        """
        .bmp .cri .dds .dpx .exr .hdr .j2c .j2k .jp2 .jpc .jpeg .jpg .jls .jxl .pam .pbm .pcx .pfm .pgm .phm
        .png .pnm .ppm .psd .qoi .rgb .rgba .sgi .sun .tga .tif .tiff .webp .xbm .xpm .xwd
        """
    )
)
