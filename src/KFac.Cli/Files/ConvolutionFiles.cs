using KFac.Engine;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary>Inputs and output gradients of one convolution.</summary>
/// <param name="Inputs">X, [M, C·H·W].</param>
/// <param name="OutputGradients">G, [M, C_out·H_out·W_out], of the loss summed over its terms.</param>
/// <param name="OutputChannels">C_out.</param>
internal sealed record ConvolutionFiles(
    MatrixView<float> Inputs, MatrixView<float> OutputGradients, ConvolutionShape Shape, int OutputChannels) : ILayerFiles
{
    public int Examples => Inputs.Rows;

    public int Sharing => Shape.Positions;

    public int Groups => Shape.Groups;

    public int InputWidth => Shape.PatchWidth;

    public int OutputWidth => OutputChannels / Shape.Groups;

    /// <summary>Reads X [M, C, H, W] and G [M, C_out, H_out, W_out].</summary>
    /// <exception cref="InvalidDataException">Shapes that do not belong together or to the convolution, no examples, or
    /// numbers that are not finite.</exception>
    public static ConvolutionFiles Read(
        DeviceStream stream, Arena arena, string inputsPath, string gradientsPath, ConvolutionSettings settings)
    {
        InputFile inputs = InputFile.ReadRows(stream, arena, inputsPath);
        if (inputs.Shape.Count != 4 || inputs.Rows.IsEmpty)
        {
            throw new InvalidDataException($"{inputsPath} has shape {inputs.ShapeText}; wanted images (M, C, H, W), at least one.");
        }

        ConvolutionShape shape = settings.Over(inputs.Shape[1], inputs.Shape[2], inputs.Shape[3]);
        try
        {
            shape.Validate();
        }
        catch (ArgumentException exception)
        {
            throw new InvalidDataException($"{inputsPath} has shape {inputs.ShapeText}. {exception.Message}", exception);
        }

        InputFile gradients = InputFile.ReadRows(stream, arena, gradientsPath);
        RequireOutputs(gradients, inputs.Shape[0], shape);
        int examples = inputs.Shape[0];
        return new ConvolutionFiles(
            inputs.Rows.Reshape(examples, shape.ImageElements),
            gradients.Rows.Reshape(examples, gradients.Shape[1] * shape.Positions),
            shape,
            gradients.Shape[1]);
    }

    public void InputFactor(DeviceStream stream, SharingApproximation approximation, bool hasBias, MatrixView<float> factor) =>
        ConvolutionFactorMath.InputFactor(stream, Inputs, Shape, approximation, hasBias, factor);

    public void OutputFactor(DeviceStream stream, SharingApproximation approximation, MatrixView<float> factor) =>
        ConvolutionFactorMath.OutputFactor(stream, OutputGradients, Shape, OutputChannels, approximation, factor);

    private static void RequireOutputs(InputFile gradients, int examples, ConvolutionShape shape)
    {
        bool belongs = gradients.Shape.Count == 4
            && gradients.Shape[0] == examples
            && gradients.Shape[1] > 0
            && gradients.Shape[1] % shape.Groups == 0
            && gradients.Shape[2] == shape.OutputHeight
            && gradients.Shape[3] == shape.OutputWidth;
        if (!belongs)
        {
            throw new InvalidDataException(
                $"{gradients.Path} has shape {gradients.ShapeText}; wanted ({examples}, C_out, {shape.OutputHeight}, {shape.OutputWidth}), "
                + $"C_out a multiple of the groups, {shape.Groups}.");
        }
    }
}
