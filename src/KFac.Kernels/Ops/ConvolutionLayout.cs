namespace KFac.Kernels;

/// <summary>How a batch of M images of C channels and H·W pixels lies in a matrix.</summary>
/// <remarks>Patches are ordered [channel, kernel row, kernel column] in either.</remarks>
public enum ConvolutionLayout
{
    /// <summary>[M, C·H·W]: an image a row, channel after channel, as files and PyTorch have it.</summary>
    ChannelsFirst,

    /// <summary>[M·H·W, C]: a pixel a row, as layers have it. A range of columns is a group of channels.</summary>
    ChannelsLast,
}
