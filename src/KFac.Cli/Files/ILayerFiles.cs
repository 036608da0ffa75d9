using KFac.Engine;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary>Inputs and output gradients of one layer, as files hold them.</summary>
internal interface ILayerFiles
{
    /// <summary>M.</summary>
    int Examples { get; }

    /// <summary>R, 0 for ragged examples.</summary>
    int Sharing { get; }

    /// <summary>Pairs of factors, stacked in the files that are written.</summary>
    int Groups { get; }

    /// <summary>P_in, of one group.</summary>
    int InputWidth { get; }

    /// <summary>P_out, of one group.</summary>
    int OutputWidth { get; }

    /// <summary>Computes A, [groups·P, P].</summary>
    void InputFactor(DeviceStream stream, SharingApproximation approximation, bool hasBias, MatrixView<float> factor);

    /// <summary>Computes B, [groups·P_out, P_out].</summary>
    void OutputFactor(DeviceStream stream, SharingApproximation approximation, MatrixView<float> factor);
}
